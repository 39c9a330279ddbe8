/* SPDX-License-Identifier: Apache-2.0 */
/* nats_conf.c - settings of the nats sink; the contract is in nats_conf.h. */
#include "nats_conf.h"

#include "clock.h"
#include "template.h"

#define HOUR_NS (3600 * SEC_NS)

const char *const nats_compressions[] = {"none", "zstd", "lz4", "snappy", NULL};
static const char *const storages[] = {"file", "memory", NULL};

static const struct setting stream_settings[] = {
    SETTING_STRING(nats_stream_conf, stream, "", 0, "name of the stream; empty: core NATS"),
    SETTING_STRING(nats_stream_conf, domain, "", 0, "JetStream domain, behind a leaf node"),
    SETTING_BOOL(nats_stream_conf, create, "false", "whether a stream that is missing is made"),
    SETTING_LIST(nats_stream_conf, subjects, 0,
                 "of a stream that is made; empty: all that `subject` can give"),
    SETTING_DURATION(nats_stream_conf, duplicate_window, "2m", 0, 24 * HOUR_NS,
                     "how long a stream that is made knows ids again"),
    SETTING_INT(nats_stream_conf, replicas, "1", 1, 5, "of a stream that is made"),
    SETTING_CHOICE(nats_stream_conf, storage, "file", storages, "of a stream that is made"),
    SETTING_DURATION(nats_stream_conf, max_age, "0s", 0, 100000 * HOUR_NS,
                     "how long a stream that is made keeps messages; 0: no such limit"),
    SETTING_BYTES(nats_stream_conf, max_bytes, "0", 0, INT64_C(1) << 50,
                  "size of a stream that is made, the oldest messages go; 0: no limit"),
    SETTING_END};

const struct setting nats_settings[] = {
    SETTING_LIST(nats_conf, servers, SETTING_REQUIRED,
                 "nats://host:4222 or tls://host:4222; one is connected to, the others take over"),
    SETTING_STRING(nats_conf, subject, "metrics.{namespace}.{pod}", 0,
                   "of each message, with labels of the target; {pool} {source} {target} "
                   "{instance} {job} too; without the label: unknown"),
    SETTING_STRING(nats_conf, user, "", 0, "user name"),
    SETTING_STRING(nats_conf, password, "", SETTING_SECRET, "its password, or file:PATH"),
    SETTING_STRING(nats_conf, token, "", SETTING_SECRET, "token, or file:PATH"),
    SETTING_STRING(nats_conf, creds, "", 0, "credentials file: user JWT and seed"),
    SETTING_STRING(nats_conf, nkey, "", 0, "public user key (U...); needs seed"),
    SETTING_STRING(nats_conf, seed, "", 0, "file with the seed (SU...) of nkey"),
    SETTING_GROUP(nats_conf, tls, tls_settings,
                  "TLS; used with tls://, when ca or cert is set, and when the server asks for it"),
    SETTING_STRING(nats_conf, name, "", 0,
                   "of the connection, for the server's eyes; empty: strata POOL/OUTPUT"),
    SETTING_STRING(nats_conf, inbox_prefix, "_INBOX", 0,
                   "first tokens of the subjects that acknowledgements come back on"),
    SETTING_GROUP(nats_conf, jetstream, stream_settings, "delivery into a stream"),
    SETTING_CHOICE(nats_conf, compression, "none", nats_compressions,
                   "of messages, unless the encoder compresses; one that would not become smaller "
                   "goes as it is"),
    SETTING_INT(nats_conf, in_flight, "256", 1, 1024,
                "messages sent and not yet confirmed; no output ever has more than 1024"),
    SETTING_DURATION(nats_conf, timeout, "5s", 100 * MS_NS, HOUR_NS,
                     "for a confirmation, anew while others come in turn; up to 5s for a write "
                     "that does not move"),
    SETTING_DURATION(nats_conf, connect_timeout, "5s", 100 * MS_NS, HOUR_NS,
                     "for a connection to one server, and for questions about the stream"),
    SETTING_DURATION(nats_conf, reconnect_max, "5s", 10 * MS_NS, HOUR_NS,
                     "longest time between two attempts; the first comes after 0.1 s or less"),
    SETTING_DURATION(nats_conf, ping, "10s", 100 * MS_NS, HOUR_NS,
                     "time between pings; a connection that leaves two unanswered is given up"),
    SETTING_END};

enum status nats_conf_host(const char *url, char ret[NATS_HOST_MAX], struct err *err)
{
    if (strchr(url, '@')) /* before any text that repeats it */
        return err_set(err, ERR_INVALID,
                       "servers: user, password and token have settings of "
                       "their own, a URL with '@' is not taken");
    const char *host = strstr(url, "://");
    if (host && strncmp(url, "nats://", 7) != 0 && strncmp(url, "tls://", 6) != 0)
        return err_set(err, ERR_INVALID, "servers: '%s' is neither nats:// nor tls://", url);
    host = host ? host + 3 : url;
    bool bracket = host[0] == '[';
    host += bracket;
    size_t len = strcspn(host, bracket ? "]" : ":/?#");
    if (len == 0 || len >= NATS_HOST_MAX || strpbrk(url, " \t\r\n"))
        return err_set(err, ERR_INVALID, "servers: '%s' has no host", url);
    if (bracket && host[len] != ']')
        return err_set(err, ERR_INVALID, "servers: '%s' lacks a ']'", url);
    memcpy(ret, host, len);
    ret[len] = '\0';
    return OK;
}

uint16_t nats_conf_port(const char *url)
{
    const char *colon = strrchr(url, ':');
    long port = colon && colon[1] != '/' ? strtol(colon + 1, NULL, 10) : 0;
    return port > 0 && port <= UINT16_MAX && !strchr(colon, ']') ? (uint16_t)port : 4222;
}

/* True for a subject without wildcards, empty tokens and odd characters; names in braces
 * stand for tokens or parts of them. */
static bool is_subject(const char *s)
{
    if (s[0] == '\0' || s[0] == '.' || s[0] == '$' || strstr(s, ".."))
        return false;
    for (const char *c = s; *c; c++)
        if (*c == '*' || *c == '>' || (unsigned char)*c <= ' ' || *c == 0x7f)
            return false;
    return s[strlen(s) - 1] != '.';
}

static bool is_stream_name(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s <= ' ' || strchr(".*>/\\\"", *s))
            return false;
    return true;
}

static enum status check_credentials(const struct nats_conf *c, struct err *err)
{
    int ways = (c->user[0] != 0) + (c->token[0] != 0) + (c->creds[0] != 0) + (c->nkey[0] != 0);
    if (ways > 1)
        return err_set(err, ERR_INVALID, "user, token, creds and nkey exclude each other");
    if (c->password[0] && !c->user[0])
        return err_set(err, ERR_INVALID, "password: without user");
    if (!c->nkey[0] != !c->seed[0])
        return err_set(err, ERR_INVALID, "nkey and seed go together");
    if (!c->tls.cert[0] != !c->tls.key[0])
        return err_set(err, ERR_INVALID, "tls: cert and key go together");
    return OK;
}

enum status nats_conf_check(const struct nats_conf *c, struct err *err)
{
    char host[NATS_HOST_MAX];
    if (c->servers.len == 0)
        return err_set(err, ERR_INVALID, "servers: none");
    for (size_t i = 0; i < c->servers.len; i++)
        if (nats_conf_host(c->servers.items[i], host, err) != OK)
            return ERR_INVALID;
    if (!is_subject(c->subject))
        return err_set(err, ERR_INVALID, "subject: '%s' is no subject to publish to", c->subject);
    if (!is_subject(c->inbox_prefix) || strlen(c->inbox_prefix) > 128)
        return err_set(err, ERR_INVALID, "inbox_prefix: '%s' is no subject", c->inbox_prefix);
    if (strpbrk(c->name, "\"\\\r\n"))
        return err_set(err, ERR_INVALID, "name: quotes, backslashes and line breaks are not taken");
    if (!is_stream_name(c->jetstream.stream) || strlen(c->jetstream.stream) > 255)
        return err_set(err, ERR_INVALID, "jetstream: stream: '%s' is no name of a stream",
                       c->jetstream.stream);
    if (c->jetstream.create && !c->jetstream.stream[0])
        return err_set(err, ERR_INVALID, "jetstream: create: without the name of the stream");
    return check_credentials(c, err);
}

enum status nats_conf_wildcard(const char *subject, struct buf *out)
{
    for (;;) {
        size_t len = strcspn(subject, ".");
        bool varies = memchr(subject, '{', len) != NULL;
        enum status s = buf_add(out, varies ? "*" : subject, varies ? 1 : len);
        if (s == OK && subject[len])
            s = buf_puts(out, ".");
        if (s != OK || !subject[len])
            return s;
        subject += len + 1;
    }
}

/* part is a good conf but for what is looked at: nats_conf_check finds a fault of that alone. */
static bool report_part(const struct nats_conf *part, const char *setting, size_t item,
                        const struct setting_report *report)
{
    struct err err;
    if (nats_conf_check(part, &err) == OK)
        return true;
    setting_tell(report, setting, item, "%s", err.text);
    return false;
}

static void report_names(const struct nats_conf *c, const struct nats_conf *good,
                         const struct setting_report *report)
{
    struct nats_conf part = *good;
    part.servers = c->servers;
    if (c->servers.len == 0)
        (void)report_part(&part, "servers", SETTING_ALL, report);
    for (size_t i = 0; i < c->servers.len; i++) {
        part.servers = (struct text_list){&c->servers.items[i], 1};
        (void)report_part(&part, "servers", i, report);
    }
    part = *good;
    part.subject = c->subject;
    AUTO_PTR(template) struct template *subject = NULL;
    struct err err;
    if (report_part(&part, "subject", SETTING_ALL, report) &&
        template_new(&subject, c->subject, "unknown", NULL, &err) != OK)
        setting_tell(report, "subject", SETTING_ALL, "subject: %s", err.text);
    part = *good;
    part.inbox_prefix = c->inbox_prefix;
    (void)report_part(&part, "inbox_prefix", SETTING_ALL, report);
    part = *good;
    part.name = c->name;
    (void)report_part(&part, "name", SETTING_ALL, report);
}

static void report_login(const struct nats_conf *c, const struct nats_conf *good,
                         const struct setting_report *report)
{
    struct nats_conf part = *good;
    part.user = c->user;
    part.token = c->token;
    part.creds = c->creds;
    part.nkey = part.seed = c->nkey;
    (void)report_part(&part,
                      c->nkey[0]    ? "nkey"
                      : c->creds[0] ? "creds"
                                    : "token",
                      SETTING_ALL, report);
    part = *good;
    part.user = c->user;
    part.password = c->password;
    (void)report_part(&part, "password", SETTING_ALL, report);
    part = *good;
    part.nkey = c->nkey;
    part.seed = c->seed;
    (void)report_part(&part, c->nkey[0] ? "nkey" : "seed", SETTING_ALL, report);
    part = *good;
    part.tls = c->tls;
    (void)report_part(&part, c->tls.cert[0] ? "tls.cert" : "tls.key", SETTING_ALL, report);
}

/* What is said of a stream that is not named would have no effect. */
static void report_stream(const struct nats_conf *c, const struct nats_conf *good,
                          const struct setting_report *report)
{
    struct nats_conf part = *good;
    part.jetstream.stream = c->jetstream.stream;
    (void)report_part(&part, "jetstream.stream", SETTING_ALL, report);
    for (const struct setting *s = stream_settings; s->name && !c->jetstream.stream[0]; s++) {
        char setting[80];
        if (setting_is_default(s, &c->jetstream))
            continue;
        snprintf(setting, sizeof setting, "jetstream.%s", s->name);
        setting_tell(report, setting, SETTING_ALL, "jetstream: %s: without the name of the stream",
                     s->name);
    }
}

void nats_conf_report(const void *conf, const struct setting_report *report)
{
    struct nats_conf good = {.subject = NULL};
    setting_defaults(nats_settings, &good);
    static char server[] = "localhost";
    char *servers[] = {server};
    struct nats_conf with_server = good;
    with_server.servers = (struct text_list){servers, 1};
    report_names(conf, &with_server, report);
    report_login(conf, &with_server, report);
    report_stream(conf, &with_server, report);
    setting_done(nats_settings, &good);
}
