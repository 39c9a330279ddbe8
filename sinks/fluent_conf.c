/* SPDX-License-Identifier: Apache-2.0 */
/* fluent_conf.c - settings of the fluent sink; the contract is in fluent_conf.h. */
#include "fluent_conf.h"

#include "clock.h"

#include <sys/un.h>

#define HOUR_NS (3600 * SEC_NS)
#define PORT    "24224"

const struct setting fluent_settings[] = {
    SETTING_LIST(fluent_conf, servers, SETTING_REQUIRED,
                 "tcp://host:24224, tls://host:24224 or unix:///path; the first is connected to, "
                 "the others take over in their order"),
    SETTING_BOOL(fluent_conf, require_ack, "true",
                 "whether a message counts as delivered once the server acknowledges it; false: "
                 "once it is written"),
    SETTING_STRING(fluent_conf, shared_key, "", SETTING_SECRET,
                   "key that server and agent prove to each other, or file:PATH; set: the server "
                   "must ask for it"),
    SETTING_STRING(fluent_conf, user, "", 0, "user name, beside shared_key"),
    SETTING_STRING(fluent_conf, password, "", SETTING_SECRET, "its password, or file:PATH"),
    SETTING_GROUP(fluent_conf, tls, tls_settings, "TLS of tls:// servers"),
    SETTING_INT(fluent_conf, in_flight, "256", 1, 1024,
                "messages sent and not yet acknowledged; no output ever has more than 1024"),
    SETTING_DURATION(fluent_conf, timeout, "10s", 100 * MS_NS, HOUR_NS,
                     "for an acknowledgement, anew while others come in turn; up to 5s for a write "
                     "that does not move"),
    SETTING_DURATION(fluent_conf, connect_timeout, "5s", 100 * MS_NS, HOUR_NS,
                     "for a connection to one server, with TLS and login"),
    SETTING_DURATION(fluent_conf, back_after, "5m", SEC_NS, 24 * HOUR_NS,
                     "how long another server is used before the first one is tried again"),
    SETTING_END};

static enum status read_path(const char *path, struct fluent_server *s, struct err *err)
{
    struct sockaddr_un address;
    size_t len = strlen(path);
    if (path[0] != '/' || len >= sizeof address.sun_path)
        return err_set(err, ERR_INVALID, "servers: a path has 2 to %zu bytes and begins with '/'",
                       sizeof address.sun_path - 1);
    s->scheme = FLUENT_UNIX;
    memcpy(s->host, path, len + 1);
    return OK;
}

static bool read_port(const char *text, struct fluent_server *s)
{
    size_t len = strspn(text, "0123456789");
    long port = strtol(text, NULL, 10);
    if (len == 0 || len > 5 || text[len] || port < 1 || port > UINT16_MAX)
        return false;
    snprintf(s->port, sizeof s->port, "%ld", port);
    return true;
}

static enum status read_host(const char *url, const char *host, struct fluent_server *s,
                             struct err *err)
{
    bool bracket = host[0] == '[';
    host += bracket;
    size_t len = strcspn(host, bracket ? "]" : ":/?#");
    if (len == 0 || len >= FLUENT_HOST_MAX || strpbrk(url, " \t\r\n"))
        return err_set(err, ERR_INVALID, "servers: '%.150s' has no host", url);
    if (bracket && host[len] != ']')
        return err_set(err, ERR_INVALID, "servers: '%.150s' lacks a ']'", url);
    memcpy(s->host, host, len);
    s->host[len] = '\0';
    const char *behind = host + len + bracket;
    memcpy(s->port, PORT, sizeof PORT);
    if (*behind == '\0' || (*behind == ':' && read_port(behind + 1, s)))
        return OK;
    return err_set(err, ERR_INVALID, "servers: '%.150s' goes on behind its host with no port", url);
}

enum status fluent_conf_server(const char *url, struct fluent_server *ret, struct err *err)
{
    struct fluent_server s = {.scheme = FLUENT_TCP};
    if (strchr(url, '@')) /* before any text that repeats it */
        return err_set(err, ERR_INVALID,
                       "servers: user and password have settings of their own, a URL with '@' is "
                       "not taken");
    const char *host = strstr(url, "://");
    enum status r = OK;
    if (strncmp(url, "unix://", 7) == 0) {
        r = read_path(url + 7, &s, err);
    } else if (host && strncmp(url, "tcp://", 6) != 0 && strncmp(url, "tls://", 6) != 0) {
        r = err_set(err, ERR_INVALID, "servers: '%.150s' is none of tcp://, tls://, unix://", url);
    } else {
        s.scheme = strncmp(url, "tls://", 6) == 0 ? FLUENT_TLS : FLUENT_TCP;
        r = read_host(url, host ? host + 3 : url, &s, err);
    }
    if (r == OK)
        *ret = s;
    return r;
}

/* Returns whether one of them speaks TLS. */
static bool report_servers(const struct fluent_conf *c, const struct setting_report *report)
{
    bool tls = false;
    if (c->servers.len == 0)
        setting_tell(report, "servers", SETTING_ALL, "servers: none");
    for (size_t i = 0; i < c->servers.len; i++) {
        struct fluent_server s;
        struct err err;
        if (fluent_conf_server(c->servers.items[i], &s, &err) != OK)
            setting_tell(report, "servers", i, "%s", err.text);
        else
            tls |= s.scheme == FLUENT_TLS;
    }
    return tls;
}

void fluent_conf_report(const void *conf, const struct setting_report *report)
{
    const struct fluent_conf *c = conf;
    bool tls = report_servers(c, report);
    if (c->user[0] && !c->shared_key[0])
        setting_tell(report, "user", SETTING_ALL, "user: without shared_key");
    if (c->password[0] && !c->user[0])
        setting_tell(report, "password", SETTING_ALL, "password: without user");
    if (!c->tls.cert[0] != !c->tls.key[0])
        setting_tell(report, c->tls.cert[0] ? "tls.cert" : "tls.key", SETTING_ALL,
                     "tls: cert and key go together");
    if (tls || c->servers.len == 0)
        return;
    for (const struct setting *s = tls_settings; s->name; s++) {
        char name[40];
        snprintf(name, sizeof name, "tls.%s", s->name);
        if (!setting_is_default(s, &c->tls))
            setting_tell(report, name, SETTING_ALL, "tls: %s: without a server of tls://", s->name);
    }
}
