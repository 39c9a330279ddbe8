/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_props.c - properties of librdkafka; the contract is in kafka_props.h. */
#include "kafka_props.h"

#include "clock.h"
#include "sockets.h"

#include <sys/socket.h>
#include <unistd.h>

#define RECEIVE_MAX_BYTES (16 << 20) /* of one answer of a broker */

static const struct {
    const char *name; /* a '*' at its end: all that begin so */
    const char *why;
} refused[] = {
    {"bootstrap.servers", "it is set by brokers"},
    {"metadata.broker.list", "it is set by brokers"},
    {"client.id", "it is set by client_id"},
    {"acks", "it is set by acks"},
    {"request.required.acks", "it is set by acks"},
    {"enable.idempotence", "it is set by idempotence"},
    {"compression.codec", "it is set by compression"},
    {"compression.type", "it is set by compression"},
    {"linger.ms", "it is set by linger"},
    {"queue.buffering.max.ms", "it is set by linger"},
    {"batch.size", "it is set by batch"},
    {"message.max.bytes", "it is set by max_message"},
    {"message.timeout.ms", "it is set by timeout"},
    {"delivery.timeout.ms", "it is set by timeout"},
    {"socket.connection.setup.timeout.ms", "it is set by connect_timeout"},
    {"reconnect.backoff.max.ms", "it is set by reconnect_max"},
    {"security.protocol", "it is set by protocol"},
    {"sasl.mechanism*", "it is set by sasl.mechanism"},
    {"sasl.username", "it is set by sasl.user"},
    {"sasl.password", "it is set by sasl.password"},
    {"sasl.oauthbearer.*", "it is set by sasl.token and sasl.extensions"},
    {"enable.sasl.oauthbearer.*", "it is set by sasl.token"},
    {"ssl.ca.location", "it is set by tls.ca"},
    {"ssl.certificate.location", "it is set by tls.cert"},
    {"ssl.key.location", "it is set by tls.key"},
    {"ssl.ca.pem", "keys and certificates are files of tls"},
    {"ssl.certificate.pem", "keys and certificates are files of tls"},
    {"ssl.key.pem", "keys and certificates are files of tls"},
    {"ssl.key.password", "secrets are no properties"},
    {"ssl.keystore.*", "keys and certificates are files of tls"},
    {"ssl_*", "keys and certificates are files of tls"},
    {"enable.ssl.certificate.verification", "it is set by tls.verify"},
    {"ssl.endpoint.identification.algorithm", "it is set by tls.verify"},
    {"queue.buffering.max.messages", "the bound of messages in flight rests on it: in_flight"},
    {"queue.buffering.max.kbytes", "the bound of memory rests on it"},
    {"receive.message.max.bytes", "the bound of memory rests on it"},
    {"delivery.report.only.error", "the books rest on it: each message needs its report"},
    {"max.in.flight*", "the books rest on it: see docs/KAFKA.md"},
    {"enable.gapless.guarantee", "the books rest on it: one lost message would end the client"},
    {"transactional.id", "the books rest on it: there are no transactions"},
    {"partitioner", "the order of a target's messages rests on it"},
    {"msg_order_cmp", "the order of a target's messages rests on it"},
    {"queuing.strategy", "the order of a target's messages rests on it"},
    {"statistics.interval.ms", "what /metrics says rests on it"},
    {"test.mock.*", "the books rest on it: such brokers keep nothing"},
    {"plugin.library.paths", "no foreign code is loaded"},
    {"debug", "the library's own log is not shown"},
    {"log*", "the library's own log is not shown"},
    {"enabled_events", "it is for programs"},
    {"opaque", "it is for programs"},
    {"*_cb", "it is for programs"},
};

static bool is_named(const char *pattern, const char *name)
{
    size_t len = strlen(pattern), named = strlen(name);
    if (pattern[0] == '*')
        return named >= len - 1 && strcmp(name + named - (len - 1), pattern + 1) == 0;
    if (pattern[len - 1] == '*')
        return strncmp(name, pattern, len - 1) == 0;
    return strcmp(name, pattern) == 0;
}

enum status kafka_props_check(const struct text_pair *property, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (is_named(refused[i].name, property->name))
            return err_set(err, ERR_INVALID, "%.80s: %s", property->name, refused[i].why);
    char text[200];
    rd_kafka_conf_t *scratch = rd_kafka_conf_new();
    rd_kafka_conf_res_t r =
        rd_kafka_conf_set(scratch, property->name, property->value, text, sizeof text);
    rd_kafka_conf_destroy(scratch);
    return r == RD_KAFKA_CONF_OK ? OK : err_set(err, ERR_INVALID, "%s", text);
}

/* What is set, until the first fault. */
struct made {
    rd_kafka_conf_t *conf;
    enum status status;
    struct err *err;
};

static void put(struct made *m, const char *name, const char *value)
{
    char text[200];
    if (m->status == OK &&
        rd_kafka_conf_set(m->conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK)
        m->status = err_set(m->err, ERR_INVALID, "%s", text);
}

static void put_number(struct made *m, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    put(m, name, text);
}

static void put_bool(struct made *m, const char *name, bool value)
{
    put(m, name, value ? "true" : "false");
}

static int64_t between(int64_t low, int64_t value, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static void put_sending(struct made *m, const struct kafka_props *p)
{
    const struct kafka_conf *c = p->conf;
    put(m, "client.id", p->name);
    put(m, "acks", kafka_acks_words[c->acks]);
    put_bool(m, "enable.idempotence", c->idempotence);
    unsigned codec = c->compression == KAFKA_LZ4_FRAME ? KAFKA_NONE : c->compression;
    put(m, "compression.codec", kafka_compressions[codec]);
    /* A broker that knows nothing of a producer takes its second batch without the first; the
     * first, when it comes again, then counts as stored, which it is not. */
    if (c->idempotence)
        put(m, "max.in.flight.requests.per.connection", "1");
    put_number(m, "linger.ms", c->linger / MS_NS);
    put_number(m, "batch.size", c->batch);
    put_number(m, "message.max.bytes", (int64_t)p->max_message);
    put_number(m, "message.timeout.ms", c->timeout / MS_NS);
    put_number(m, "queue.buffering.max.messages", c->in_flight);
    put_number(m, "queue.buffering.max.kbytes", KAFKA_QUEUE_KIB);
    put(m, "partitioner", "murmur2_random"); /* as Java's clients, by the key */
    put_number(m, "topic.metadata.propagation.max.ms", between(1000, c->timeout / MS_NS / 2, 5000));
    put(m, "statistics.interval.ms", "1000");
}

static void put_connection(struct made *m, const struct kafka_conf *c)
{
    put_number(m, "socket.timeout.ms", between(1000, c->timeout / MS_NS / 3, 60000));
    put_number(m, "socket.connection.setup.timeout.ms", c->connect_timeout / MS_NS);
    put(m, "socket.keepalive.enable", "true");
    put(m, "socket.nagle.disable", "true");
    put(m, "reconnect.backoff.ms", "100");
    put_number(m, "reconnect.backoff.max.ms", c->reconnect_max / MS_NS);
    put_number(m, "receive.message.max.bytes", RECEIVE_MAX_BYTES);
}

static void put_brokers(struct made *m, const struct kafka_conf *c)
{
    AUTO(buf) struct buf all = BUF_INIT(1 << 20);
    enum status s = OK;
    for (size_t i = 0; i < c->brokers.len && s == OK; i++)
        s = buf_cat(&all, i ? "," : "", c->brokers.items[i], NULL);
    if (s != OK && m->status == OK)
        m->status = err_set(m->err, ERR_INVALID, "brokers: too long");
    put(m, "bootstrap.servers", all.data);
}

static void put_security(struct made *m, const struct kafka_props *p)
{
    static const char *const names[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"};
    const struct kafka_conf *c = p->conf;
    put(m, "security.protocol", kafka_protocols[c->protocol]);
    if (kafka_has_sasl(c)) {
        put(m, "sasl.mechanism", names[c->sasl.mechanism]);
        if (c->sasl.mechanism != KAFKA_OAUTHBEARER) {
            put(m, "sasl.username", c->sasl.user);
            put(m, "sasl.password", p->password ? p->password : "");
        }
    }
    if (!kafka_has_tls(c))
        return;
    put_bool(m, "enable.ssl.certificate.verification", c->tls.verify);
    put(m, "ssl.endpoint.identification.algorithm", c->tls.verify ? "https" : "none");
    if (c->tls.ca[0])
        put(m, "ssl.ca.location", c->tls.ca);
    if (c->tls.cert[0]) {
        put(m, "ssl.certificate.location", c->tls.cert);
        put(m, "ssl.key.location", c->tls.key);
    }
}

/* The library's words come as errors too. */
static void ignore_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)text;
}

/* These two are called by threads of the library. */
static int open_socket(int domain, int type, int protocol, void *opaque)
{
    (void)opaque;
    int fd = socket(domain, type | SOCK_CLOEXEC, protocol);
    net_socket_opened(fd);
    return fd;
}

static int close_socket(int fd, void *opaque)
{
    (void)opaque;
    net_socket_closed(fd);
    return close(fd);
}

static enum status make(rd_kafka_conf_t **ret, const struct kafka_props *p, bool peers,
                        struct err *err)
{
    struct made m = {rd_kafka_conf_new(), OK, err};
    rd_kafka_conf_set_log_cb(m.conf, ignore_log);
    rd_kafka_conf_set_socket_cb(m.conf, open_socket);
    rd_kafka_conf_set_closesocket_cb(m.conf, close_socket);
    put_sending(&m, p);
    put_connection(&m, p->conf);
    if (peers) {
        put_brokers(&m, p->conf);
        put_security(&m, p);
    }
    for (size_t i = 0; i < p->conf->properties.len; i++)
        put(&m, p->conf->properties.items[i].name, p->conf->properties.items[i].value);
    if (m.status == OK)
        *ret = m.conf;
    else
        rd_kafka_conf_destroy(m.conf);
    return m.status;
}

enum status kafka_props_make(rd_kafka_conf_t **ret, const struct kafka_props *props,
                             struct err *err)
{
    return make(ret, props, true, err);
}

enum status kafka_props_try(const struct kafka_conf *conf, struct err *err)
{
    const struct kafka_props p = {conf, "strata", NULL, (size_t)conf->max_message};
    rd_kafka_conf_t *made;
    enum status s = make(&made, &p, false, err);
    if (s != OK)
        return s;
    char text[200];
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, made, text, sizeof text);
    if (!rk) {
        rd_kafka_conf_destroy(made);
        return err_set(err, ERR_INVALID, "%s", text);
    }
    rd_kafka_destroy(rk);
    return OK;
}
