/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the kafka sink that need no broker: settings, properties, verdicts, statistics. */
#include "kafka_client.h"
#include "kafka_props.h"
#include "kafka_stats.h"
#include "kafka_verdict.h"
#include "lane.h"
#include "sink_run.h"
#include "test.h"

#define NOT      RD_KAFKA_MSG_STATUS_NOT_PERSISTED
#define POSSIBLY RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED
#define ERR(e)   RD_KAFKA_RESP_ERR_##e

TEST(each_delivery_report_has_its_verdict)
{
    static const struct {
        rd_kafka_resp_err_t e;
        enum status possibly, not ; /* stored possibly, certainly not */
    } cases[] = {
        {ERR(NO_ERROR), OK, OK},
        {ERR(_MSG_TIMED_OUT), ERR_TIMEOUT, ERR_AGAIN},
        {ERR(REQUEST_TIMED_OUT), ERR_TIMEOUT, ERR_AGAIN},
        {ERR(_TRANSPORT), ERR_IO, ERR_AGAIN},
        {ERR(_PURGE_INFLIGHT), ERR_IO, ERR_AGAIN},
        {ERR(NOT_ENOUGH_REPLICAS), ERR_IO, ERR_AGAIN},
        {ERR(NOT_ENOUGH_REPLICAS_AFTER_APPEND), ERR_IO, ERR_AGAIN},
        {ERR(_UNKNOWN_TOPIC), ERR_IO, ERR_AGAIN},
        {ERR(UNKNOWN_TOPIC_OR_PART), ERR_IO, ERR_AGAIN},
        {ERR(_QUEUE_FULL), ERR_IO, ERR_AGAIN},
        {ERR(KAFKA_STORAGE_ERROR), ERR_IO, ERR_AGAIN},
        {ERR(MSG_SIZE_TOO_LARGE), ERR_LIMIT, ERR_LIMIT},
        {ERR(RECORD_LIST_TOO_LARGE), ERR_LIMIT, ERR_LIMIT},
        {ERR(TOPIC_AUTHORIZATION_FAILED), ERR_DENIED, ERR_DENIED},
        {ERR(CLUSTER_AUTHORIZATION_FAILED), ERR_DENIED, ERR_DENIED},
        {ERR(_AUTHENTICATION), ERR_DENIED, ERR_DENIED},
        {ERR(_SSL), ERR_DENIED, ERR_DENIED},
        {ERR(POLICY_VIOLATION), ERR_DENIED, ERR_DENIED},
        {ERR(INVALID_RECORD), ERR_INVALID, ERR_INVALID},
        {ERR(TOPIC_EXCEPTION), ERR_INVALID, ERR_INVALID},
        {ERR(INVALID_TIMESTAMP), ERR_INVALID, ERR_INVALID},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CHECK_INT(kafka_verdict(cases[i].e, POSSIBLY), cases[i].possibly);
        CHECK_INT(kafka_verdict(cases[i].e, NOT), cases[i].not );
        CHECK_INT(kafka_verdict(cases[i].e, RD_KAFKA_MSG_STATUS_PERSISTED), OK);
    }
}

TEST(no_error_of_the_library_is_without_a_verdict)
{
    const struct rd_kafka_err_desc *all;
    size_t n;
    rd_kafka_get_err_descs(&all, &n);
    CHECK(n > 100);
    for (size_t i = 0; i < n; i++) {
        enum status s = kafka_verdict(all[i].code, POSSIBLY);
        CHECK((s == OK) == (all[i].code == RD_KAFKA_RESP_ERR_NO_ERROR));
        CHECK(s != ERR_CLOSED && s != ERR_AGAIN); /* it may be there */
    }
}

#define GOOD "brokers", "127.0.0.1:9092"

static void check_refused(const char *const *settings, const char *words)
{
    struct sink_run r;
    enum status s = sink_run_open(&r, "kafka", settings);
    if (s != ERR_INVALID || !strstr(r.err.text, words))
        test_fail(__FILE__, __LINE__, "%s: %s: not refused as '%s' but: %d %s", settings[2],
                  settings[3], words, (int)s, s == OK ? "" : r.err.text);
    sink_run_close(&r);
}

TEST(what_no_broker_could_make_work_is_refused)
{
    check_refused((const char *[]){"topic", "a", NULL, NULL}, "brokers: none");
    static const char *const cases[][3] = {
        {"topic", "a b", "letters, digits"},
        {"topic", "a/{pod}", "letters, digits"},
        {"topic", "", "no name of a topic"},
        {"topic", "..", "no name of a topic"},
        {"topic", "{pod", "topic: "},
        {"brokers", "b", "not host:port"},
        {"brokers", "b:", "not host:port"},
        {"brokers", ":1", "not host:port"},
        {"brokers", "b:0", "not host:port"},
        {"brokers", "b:65536", "not host:port"},
        {"brokers", "b:9092,c:9092", "not host:port"},
        {"brokers", "SSL://b:9092", "protocol"},
        {"brokers", "u:s3cret@b:9092", "'@' is not taken"},
        {"acks", "1", "idempotence"},
        {"linger", "40s", "linger"},
        {"client_id", "a\"b", "client_id"},
        {"sasl.user", "u", "without effect"},
        {"protocol", "sasl_ssl", "needs user and password"},
        {"tls.ca", "/ca.pem", "without effect"},
        {"tls.verify", "false", "without effect"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_refused((const char *[]){GOOD, cases[i][0], cases[i][1], NULL}, cases[i][2]);
}

TEST(login_and_tls_go_with_the_protocol)
{
    static const struct {
        const char *const settings[12];
        const char *words; /* NULL: taken */
    } cases[] = {
        {{GOOD, "protocol", "sasl_ssl", "sasl.user", "u", "sasl.password", "p"}, NULL},
        {{GOOD, "protocol", "sasl_ssl", "sasl.user", "u"}, "needs user and password"},
        {{GOOD, "protocol", "sasl_ssl", "sasl.mechanism", "oauthbearer"}, "needs a token"},
        {{GOOD, "protocol", "sasl_ssl", "sasl.mechanism", "oauthbearer", "sasl.token", "t"}, NULL},
        {{GOOD, "protocol", "ssl", "tls.cert", "/c.pem"}, "cert and key go together"},
        {{GOOD, "protocol", "ssl", "tls.server_name", "b"}, "server_name"},
        {{GOOD, "protocol", "ssl", "tls.ca", "/nowhere.pem"}, NULL}, /* it may come */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sink_run r;
        if (cases[i].words) {
            check_refused(cases[i].settings, cases[i].words);
            continue;
        }
        CHECK_INT(sink_run_open(&r, "kafka", cases[i].settings), OK);
        sink_run_close(&r);
    }
}

static enum status property(const char *name, const char *value, struct err *err)
{
    struct kafka_conf c = {.acks = 0};
    setting_defaults(kafka_settings, &c);
    enum status s = setting_set(setting_find(kafka_settings, "brokers"), &c, "b:1", err);
    if (s == OK)
        s = setting_put(setting_find(kafka_settings, "properties"), &c, name, value, err);
    if (s == OK)
        s = kafka_conf_check(&c, err);
    if (s == OK)
        s = kafka_props_try(&c, err);
    setting_done(kafka_settings, &c);
    return s;
}

TEST(properties_are_those_of_the_library_but_for_some)
{
    static const char *const refused[][3] = {
        {"bootstrap.servers", "b:1", "set by brokers"},
        {"sasl.password", "s3cret", "set by sasl.password"},
        {"ssl.keystore.password", "s3cret", "files of tls"},
        {"sasl.mechanisms", "PLAIN", "set by sasl.mechanism"},
        {"delivery.report.only.error", "true", "the books rest on it"},
        {"test.mock.num.brokers", "3", "the books rest on it"},
        {"transactional.id", "t", "the books rest on it"},
        {"queue.buffering.max.kbytes", "1000000", "the bound of memory"},
        {"partitioner", "random", "the order"},
        {"plugin.library.paths", "/x.so", "no foreign code"},
        {"error_cb", "x", "for programs"},
        {"no.such.thing", "1", "No such configuration property"},
        {"socket.timeout.ms", "soon", "socket.timeout.ms"},
        {"max.in.flight", "6", "the books rest on it"},
        {"retries", "0", "must be set >= 1"}, /* with idempotence */
    };
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        CHECK_INT(property(refused[i][0], refused[i][1], &err), ERR_INVALID);
        if (!strstr(err.text, refused[i][2]) || strstr(err.text, "s3cret"))
            test_fail(__FILE__, __LINE__, "%s: %s", refused[i][0], err.text);
    }
    static const char *const taken[][2] = {
        {"socket.timeout.ms", "7000"}, {"compression.level", "3"}, {"broker.address.family", "v4"},
        {"retry.backoff.ms", "50"},    {"client.rack", "a"},
    };
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        if (property(taken[i][0], taken[i][1], &err) != OK)
            test_fail(__FILE__, __LINE__, "%s", err.text);
}

static char *made(const rd_kafka_conf_t *conf, const char *name, char out[200])
{
    size_t len = 200;
    CHECK_INT(rd_kafka_conf_get(conf, name, out, &len), RD_KAFKA_CONF_OK);
    return out;
}

TEST(the_library_is_told_what_is_configured_and_bounded)
{
    struct sink_run r;
    char text[200];
    const char *const settings[] = {GOOD,    "brokers", "[::1]:9",   "linger", "7ms",
                                    "batch", "64KiB",   "in_flight", "9",      NULL};
    CHECK_INT(sink_run_open(&r, "kafka", settings), OK);
    CHECK_INT(r.lane.window, 9);
    CHECK_INT(r.lane.max_payload, r.ops->max_payload);
    const struct kafka_props props = {r.conf, "name", NULL, 50000};
    rd_kafka_conf_t *conf;
    CHECK_INT(kafka_props_make(&conf, &props, &r.err), OK);
    static const char *const want[][2] = {
        {"bootstrap.servers", "127.0.0.1:9092,[::1]:9"},
        {"client.id", "name"},
        {"enable.idempotence", "true"},
        {"compression.codec", "lz4"},
        {"linger.ms", "7"},
        {"batch.size", "65536"},
        {"message.max.bytes", "50000"},
        {"queue.buffering.max.messages", "9"},
        {"queue.buffering.max.kbytes", "16384"},
        {"acks", "-1"},
        {"message.timeout.ms", "30000"},
        {"socket.timeout.ms", "10000"},
        {"partitioner", "murmur2_random"},
        {"security.protocol", "plaintext"},
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        CHECK_STR(made(conf, want[i][0], text), want[i][1]);
    rd_kafka_conf_destroy(conf);
    sink_run_close(&r);
}

/* What the library is told to do with batches, and how much more is kept. */
static void check_compression(const char *word, const char *codec, bool frames)
{
    struct sink_run r;
    char text[200];
    CHECK_INT(sink_run_open(&r, "kafka", (const char *[]){GOOD, NULL}), OK);
    size_t kept = r.ops->reserve(r.conf, 1000);
    sink_run_close(&r);
    CHECK_INT(sink_run_open(&r, "kafka", (const char *[]){GOOD, "compression", word, NULL}), OK);
    CHECK_INT(r.ops->wants_lz4(r.conf), frames);
    CHECK_INT(r.ops->reserve(r.conf, 1000), kept + (frames ? KAFKA_COPIES + 2000 : 0));
    const struct kafka_props props = {r.conf, "name", NULL, 50000};
    rd_kafka_conf_t *conf;
    CHECK_INT(kafka_props_make(&conf, &props, &r.err), OK);
    CHECK_STR(made(conf, "compression.codec", text), codec);
    rd_kafka_conf_destroy(conf);
    sink_run_close(&r);
}

TEST(either_the_library_compresses_batches_or_the_agent_messages)
{
    check_compression("lz4", "lz4", false);
    check_compression("zstd", "zstd", false);
    check_compression("snappy", "snappy", false);
    check_compression("gzip", "gzip", false);
    check_compression("none", "none", false);
    check_compression("lz4_frame", "none", true);
}

TEST(no_more_can_be_in_flight_than_a_lane_ever_has)
{
    CHECK_INT(setting_find(kafka_settings, "in_flight")->max, LANE_WINDOW);
    CHECK(setting_find(kafka_settings, "max_message")->max < (int64_t)KAFKA_QUEUE_KIB * 1024);
}

TEST(a_topic_has_no_illegal_characters_and_no_more_than_it_may)
{
    static char value[300] = "a b/\xc3\xa4:c";
    const struct label label = {"pod", value};
    const struct target t = {.id = "t", .pool = "p", .labels = &label, .labels_len = 1};
    struct sink_run r;
    CHECK_INT(sink_run_open(&r, "kafka", (const char *[]){GOOD, "topic", "m.{pod}.{none}", NULL}),
              OK);
    AUTO(buf) struct buf out = BUF_INIT(PAYLOAD_TEXT_MAX);
    CHECK_INT(r.ops->render(r.self, &t, &out), OK);
    CHECK_STR(out.data, "m.a_b____c.unknown");
    buf_truncate(&out, 0);
    memset(value, 'x', sizeof value - 1);
    CHECK_INT(r.ops->render(r.self, &t, &out), ERR_LIMIT);
    sink_run_close(&r);
}

#define BROKER(name, state, age)                                             \
    "\"" name "\":{\"name\":\"x\",\"state\":\"" state "\",\"stateage\":" age \
    ",\"txretries\":2,\"rtt\":{\"min\":1,\"avg\":250}}"

TEST(statistics_say_which_brokers_are_up_and_since_when)
{
    struct kafka_stats s;
    const char *json =
        "{\"name\":\"a#b\",\"ts\":5000000,\"brokers\":{" BROKER("a:1/1", "UP", "999999") "," BROKER(
            "b:1/2", "UP", "1000001") "," BROKER("c:1/3", "CONNECT",
                                                 "5") "},\"topics\":{\"brokers\":7}}";
    CHECK(kafka_stats_read(json, 4000000, &s));
    CHECK_INT(s.up, 2);
    CHECK_INT(s.connected, 1);
    CHECK_INT(s.retries, 6);
    CHECK_INT(s.round_trip_us, 250);
    CHECK_INT(s.at_us, 5000000);
    CHECK(kafka_stats_read(json, 0, &s));
    CHECK_INT(s.connected, 2); /* the first of all */
    static const char *const bad[] = {"",
                                      "{}",
                                      "{\"ts\":1}",
                                      "{\"ts\":1,\"brokers\":",
                                      "{\"ts\":1,\"brokers\":{\"a\":",
                                      "{\"ts\":1,\"brokers\":[1]}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK(!kafka_stats_read(bad[i], 0, &s));
}
