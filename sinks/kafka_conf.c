/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_conf.c - settings of the kafka sink; the contract is in kafka_conf.h. */
#include "kafka_conf.h"

#include "clock.h"
#include "kafka_props.h"
#include "template.h"

#define HOUR_NS (3600 * SEC_NS)
#define KIB     1024

const char *const kafka_acks_words[] = {"all", "1", "0", NULL};
const char *const kafka_compressions[] = {"lz4",  "zstd",      "snappy", "gzip",
                                          "none", "lz4_frame", NULL};
const char *const kafka_protocols[] = {"plaintext", "ssl", "sasl_plaintext", "sasl_ssl", NULL};
static const char *const mechanisms[] = {"plain", "scram-sha-256", "scram-sha-512", "oauthbearer",
                                         NULL};

static const struct setting sasl_settings[] = {
    SETTING_CHOICE(kafka_sasl_conf, mechanism, "plain", mechanisms,
                   "how to log in; scram needs librdkafka 2.6.1 with brokers 4.0 and newer"),
    SETTING_STRING(kafka_sasl_conf, user, "", 0, "user name, of plain and scram"),
    SETTING_STRING(kafka_sasl_conf, password, "", SETTING_SECRET, "its password, or file:PATH"),
    SETTING_STRING(kafka_sasl_conf, token, "", SETTING_SECRET, "of oauthbearer, or file:PATH"),
    SETTING_DURATION(kafka_sasl_conf, token_refresh, "5m", SEC_NS, 24 * HOUR_NS,
                     "how long a token is used before its file is read again"),
    SETTING_MAP(kafka_sasl_conf, extensions, 0, "of oauthbearer, as the brokers ask for them"),
    SETTING_END};

const struct setting kafka_settings[] = {
    SETTING_LIST(kafka_conf, brokers, SETTING_REQUIRED,
                 "host:port of some brokers, which name the others"),
    SETTING_STRING(kafka_conf, topic, "metrics", 0,
                   "of each message, with labels of the target; {pool} {source} {target} "
                   "{instance} {job} too; without the label: unknown"),
    SETTING_STRING(kafka_conf, client_id, "", 0,
                   "for the brokers' eyes; empty: strata-POOL-OUTPUT"),
    SETTING_CHOICE(kafka_conf, acks, "all", kafka_acks_words,
                   "replicas that have a message before it counts as delivered; 0: sent is enough"),
    SETTING_BOOL(kafka_conf, idempotence, "true",
                 "whether brokers drop what the client sends twice; needs acks: all"),
    SETTING_CHOICE(kafka_conf, compression, "lz4", kafka_compressions,
                   "of batches of messages, by the client library; lz4_frame: of each message by "
                   "itself, unless the encoder compresses"),
    SETTING_DURATION(kafka_conf, linger, "5ms", 0, 900 * SEC_NS,
                     "how long a message waits for others to share a batch"),
    SETTING_BYTES(kafka_conf, batch, "1000KiB", KIB, 15 * KIB * KIB,
                  "size of a batch, before compression"),
    SETTING_INT(kafka_conf, in_flight, "256", 1, 1024,
                "messages sent and not yet confirmed; no output ever has more than 1024"),
    SETTING_BYTES(kafka_conf, max_message, "1000KiB", KIB, 15 * KIB * KIB,
                  "size of a message and of a batch; above what the brokers take it is quartered"),
    SETTING_DURATION(kafka_conf, timeout, "30s", SEC_NS, HOUR_NS,
                     "for a confirmation, resends by the client included"),
    SETTING_DURATION(kafka_conf, connect_timeout, "10s", SEC_NS, 1800 * SEC_NS,
                     "for a connection to one broker, with TLS and login"),
    SETTING_DURATION(kafka_conf, reconnect_max, "5s", 100 * MS_NS, HOUR_NS,
                     "longest time between two attempts; the first comes after 0.1 s"),
    SETTING_CHOICE(kafka_conf, protocol, "plaintext", kafka_protocols,
                   "of the brokers' listener, with login (sasl), with TLS (ssl)"),
    SETTING_GROUP(kafka_conf, sasl, sasl_settings, "login; with protocol sasl_*"),
    SETTING_GROUP(kafka_conf, tls, tls_settings, "TLS; with protocol ssl or sasl_ssl"),
    SETTING_MAP(kafka_conf, properties, 0,
                "of librdkafka, by their names; not those that have a setting here, or that the "
                "books and bounds rest on"),
    SETTING_END};

bool kafka_topic_legal(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

static void report_broker(const char *broker, size_t item, const struct setting_report *report)
{
    const char *colon = strrchr(broker, ':');
    if (strchr(broker, '@')) /* before any text that repeats it */
        setting_tell(report, "brokers", item,
                     "brokers: user and password have settings of their own, '@' is not taken");
    else if (strstr(broker, "://"))
        setting_tell(report, "brokers", item,
                     "brokers: '%s': only host:port, ssl and sasl are said by protocol", broker);
    else if (!colon || colon == broker || strpbrk(broker, " \t\r\n,/\"\\") || colon[1] == '\0' ||
             strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
             strtoul(colon + 1, NULL, 10) - 1 >= UINT16_MAX)
        setting_tell(report, "brokers", item, "brokers: '%s' is not host:port", broker);
}

static void report_topic(const struct kafka_conf *c, const struct setting_report *report)
{
    AUTO_PTR(template) struct template *topic = NULL;
    struct err err;
    bool braces = false;
    if (template_new(&topic, c->topic, "unknown", NULL, &err) != OK) {
        setting_tell(report, "topic", SETTING_ALL, "topic: %s", err.text);
        return;
    }
    for (const char *t = c->topic; *t; t++) {
        braces = *t == '{' || (braces && *t != '}');
        if (!braces && *t != '}' && !kafka_topic_legal((unsigned char)*t)) {
            setting_tell(report, "topic", SETTING_ALL,
                         "topic: '%s': letters, digits, '.', '_' and '-' are taken", c->topic);
            return;
        }
    }
    if (!c->topic[0] || strcmp(c->topic, ".") == 0 || strcmp(c->topic, "..") == 0)
        setting_tell(report, "topic", SETTING_ALL, "topic: '%s' is no name of a topic", c->topic);
}

static void report_sasl(const struct kafka_conf *c, const struct setting_report *report)
{
    const struct kafka_sasl_conf *s = &c->sasl;
    bool oauth = s->mechanism == KAFKA_OAUTHBEARER;
    if (!kafka_has_sasl(c)) {
        if (s->user[0] || s->password[0] || s->token[0] || s->extensions.len > 0)
            setting_tell(report, "sasl", SETTING_ALL, "sasl: without effect, for protocol is '%s'",
                         kafka_protocols[c->protocol]);
        return;
    }
    if (oauth && !s->token[0])
        setting_tell(report, "sasl.token", SETTING_ALL, "sasl: oauthbearer needs a token");
    if (oauth && (s->user[0] || s->password[0]))
        setting_tell(report, "sasl.user", SETTING_ALL, "sasl: oauthbearer has no user");
    if (!oauth && (!s->user[0] || !s->password[0]))
        setting_tell(report, s->user[0] ? "sasl.password" : "sasl.user", SETTING_ALL,
                     "sasl: %s needs user and password", mechanisms[s->mechanism]);
    if (!oauth && (s->token[0] || s->extensions.len > 0))
        setting_tell(report, "sasl.token", SETTING_ALL,
                     "sasl: token and extensions are for oauthbearer");
}

static void report_tls(const struct kafka_conf *c, const struct setting_report *report)
{
    const struct tls_conf *t = &c->tls;
    if (!kafka_has_tls(c) && (t->ca[0] || t->cert[0] || t->key[0] || !t->verify)) {
        setting_tell(report, "tls", SETTING_ALL, "tls: without effect, for protocol is '%s'",
                     kafka_protocols[c->protocol]);
        return;
    }
    if (!t->cert[0] != !t->key[0])
        setting_tell(report, t->cert[0] ? "tls.cert" : "tls.key", SETTING_ALL,
                     "tls: cert and key go together");
    if (t->server_name[0])
        setting_tell(report, "tls.server_name", SETTING_ALL,
                     "tls: server_name: each broker must show the name it is called by");
}

void kafka_conf_report(const void *conf, const struct setting_report *report)
{
    const struct kafka_conf *c = conf;
    if (c->brokers.len == 0)
        setting_tell(report, "brokers", SETTING_ALL, "brokers: none");
    for (size_t i = 0; i < c->brokers.len; i++)
        report_broker(c->brokers.items[i], i, report);
    report_topic(c, report);
    if (strpbrk(c->client_id, "\"\\\r\n"))
        setting_tell(report, "client_id", SETTING_ALL,
                     "client_id: quotes, backslashes and line breaks are not taken");
    if (c->idempotence && c->acks != KAFKA_ACKS_ALL)
        setting_tell(report, "acks", SETTING_ALL, "acks: %s needs idempotence: false",
                     kafka_acks_words[c->acks]);
    if (c->linger >= c->timeout)
        setting_tell(report, "linger", SETTING_ALL, "linger: not below timeout");
    report_sasl(c, report);
    report_tls(c, report);
    for (size_t i = 0; i < c->properties.len; i++) {
        struct err err;
        if (kafka_props_check(&c->properties.items[i], &err) != OK)
            setting_tell(report, "properties", i, "properties: %s", err.text);
    }
}

enum status kafka_conf_check(const struct kafka_conf *c, struct err *err)
{
    struct err first = {.status = OK};
    struct setting_report report = setting_report_first(&first);
    kafka_conf_report(c, &report);
    return first.status == OK ? OK : err_set(err, first.status, "%s", first.text);
}
