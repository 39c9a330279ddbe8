/* SPDX-License-Identifier: Apache-2.0 */
/* statsd_conf.c - settings of the statsd sink; the contract is in statsd_conf.h. */
#include "statsd_conf.h"

#include "clock.h"

#define HOUR_NS (3600 * SEC_NS)

#define UDP_BYTES    1432 /* within an Ethernet frame, over IPv6 too */
#define LOCAL_BYTES  8192 /* what DogStatsD receivers read at once */
#define STREAM_BYTES (32 << 10)

static const char *const networks[] = {"udp", "tcp", "unixgram", "unix", NULL};

const struct setting statsd_settings[] = {
    SETTING_CHOICE(statsd_conf, network, "udp", networks,
                   "unixgram: a Unix datagram socket; unix: a Unix stream socket"),
    SETTING_STRING(statsd_conf, address, NULL, SETTING_REQUIRED,
                   "host:port, [::1]:port, or the path of a Unix socket (@NAME: an abstract one)"),
    SETTING_BYTES(statsd_conf, datagram, "0", 0, STATSD_DATAGRAM_MAX,
                  "most bytes of one datagram, at least 64; 0: 1432 with udp, 8192 with unixgram"),
    SETTING_DURATION(statsd_conf, timeout, "5s", 10 * MS_NS, HOUR_NS,
                     "for a write that does not move; then it begins anew on a new connection"),
    SETTING_DURATION(statsd_conf, connect_timeout, "5s", 100 * MS_NS, HOUR_NS,
                     "for a connection to one address"),
    SETTING_DURATION(statsd_conf, lookup_interval, "1m", 0, 24 * HOUR_NS,
                     "how often the host's name is looked up again, beside after each failure; "
                     "0: never; udp only"),
    SETTING_END};

const char *statsd_network_name(enum statsd_network n)
{
    return networks[n];
}

static enum status read_path(const char *text, struct statsd_peer *ret, struct err *err)
{
    size_t len = strlen(text);
    if ((text[0] != '/' && text[0] != '@') || len < 2)
        return err_set(err, ERR_INVALID,
                       "address: '%s' is neither an absolute path nor @NAME, as %s needs it", text,
                       networks[ret->network]);
    if (len >= STATSD_PATH_MAX)
        return err_set(err, ERR_INVALID, "address: a path of a Unix socket has at most %d bytes",
                       STATSD_PATH_MAX - 1);
    memcpy(ret->path, text, len + 1);
    return OK;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits])
        return false;
    long port = strtol(text, NULL, 10);
    return port > 0 && port <= UINT16_MAX;
}

static enum status read_host(const char *text, struct statsd_peer *ret, struct err *err)
{
    bool bracket = text[0] == '[';
    const char *host = text + bracket;
    size_t len = strcspn(host, bracket ? "]" : ":");
    const char *rest = host + len + (bracket && host[len]);
    if (len == 0 || len >= STATSD_HOST_MAX || strpbrk(text, " \t\r\n/@"))
        return err_set(err, ERR_INVALID, "address: '%s' is not host:port", text);
    if (rest[0] != ':' || !is_port(rest + 1))
        return err_set(err, ERR_INVALID,
                       "address: '%s' lacks a port from 1 to 65535; an IPv6 address stands in "
                       "brackets",
                       text);
    memcpy(ret->host, host, len);
    ret->host[len] = '\0';
    memcpy(ret->port, rest + 1, strlen(rest + 1) + 1);
    return OK;
}

enum status statsd_conf_peer(const struct statsd_conf *c, struct statsd_peer *ret, struct err *err)
{
    struct statsd_peer peer = {.network = (enum statsd_network)c->network};
    bool local = peer.network == STATSD_UNIXGRAM || peer.network == STATSD_UNIX;
    enum status s = local ? read_path(c->address, &peer, err) : read_host(c->address, &peer, err);
    if (s == OK)
        *ret = peer;
    return s;
}

size_t statsd_conf_datagram(const struct statsd_conf *c)
{
    if (statsd_is_stream((enum statsd_network)c->network))
        return STREAM_BYTES;
    if (c->datagram > 0)
        return (size_t)c->datagram;
    return c->network == STATSD_UDP ? UDP_BYTES : LOCAL_BYTES;
}

void statsd_conf_report(const void *conf, const struct setting_report *report)
{
    const struct statsd_conf *c = conf;
    struct statsd_peer peer;
    struct err err;
    if (statsd_conf_peer(c, &peer, &err) != OK)
        setting_tell(report, "address", SETTING_ALL, "%s", err.text);
    if (c->datagram > 0 && statsd_is_stream((enum statsd_network)c->network))
        setting_tell(report, "datagram", SETTING_ALL, "datagram: %s has no datagrams",
                     networks[c->network]);
    else if (c->datagram > 0 && c->datagram < 64)
        setting_tell(report, "datagram", SETTING_ALL, "datagram: no line fits into less than 64");
}
