/* SPDX-License-Identifier: Apache-2.0 */
/* The kafka sink against the brokers that librdkafka has inside for tests. */
#include "encoder_run.h"
#include "kafka_client.h"
#include "sink_run.h"
#include "test.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <lz4frame.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PRODUCE 0 /* requests by their numbers in the protocol */

enum { LINES = 40 };

/* A cluster of one broker, and a sink that knows it. */
struct mock {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
    struct sink_run run;
    int wake;
};

static void ignore(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk, (void)level, (void)facility, (void)text;
}

static void begin(struct mock *m, const char *name, const char *value)
{
    char text[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, ignore);
    m->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    CHECK(m->rk != NULL);
    m->cluster = rd_kafka_mock_cluster_new(m->rk, 1);
    CHECK_INT(rd_kafka_mock_topic_create(m->cluster, "t", 4, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    const char *brokers = rd_kafka_mock_cluster_bootstraps(m->cluster);
    const char *const settings[] = {"brokers", brokers, "topic", "t", "linger",
                                    "0s",      name,    value,   NULL};
    CHECK_INT(sink_run_open(&m->run, "kafka", settings), OK);
    m->wake = eventfd(0, EFD_CLOEXEC);
}

static void end(struct mock *m)
{
    sink_run_close(&m->run);
    rd_kafka_mock_cluster_destroy(m->cluster);
    rd_kafka_destroy(m->rk);
    close(m->wake);
}

static enum status give(struct mock *m, const char *topic, struct payload *p)
{
    CHECK_INT(buf_puts(&p->address, topic), OK);
    m->run.err = (struct err){.status = OK};
    enum status s = m->run.ops->send(m->run.self, p, clock_mono_ns() + SEC_NS, &m->run.err);
    if (s != OK)
        payload_free(p);
    return s;
}

static enum status offer_samples(struct mock *m, const char *topic, size_t len, size_t samples)
{
    char *body = mem_alloc(len + 1);
    memset(body, 'x', len);
    struct payload *p = sink_run_payload(&m->run, body, len);
    mem_free(body);
    p->samples = samples;
    return give(m, topic, p);
}

static enum status offer(struct mock *m, const char *topic, size_t len)
{
    return offer_samples(m, topic, len, 1);
}

static void work(struct mock *m)
{
    enum status s = m->run.ops->work(m->run.self, m->wake, clock_mono_ns() + 20 * MS_NS);
    CHECK_INT(s, ERR_TIMEOUT); /* nobody wakes it */
}

/* Works until one more has ended so. */
static bool ends(struct mock *m, enum status how)
{
    size_t before = m->run.ended[how];
    int64_t until = clock_mono_ns() + 15 * SEC_NS;
    while (m->run.ended[how] == before && clock_mono_ns() < until)
        work(m);
    m->run.err = (struct err){.status = OK};
    m->run.ops->explain(m->run.self, &m->run.err);
    return m->run.ended[how] > before;
}

TEST(what_is_acknowledged_is_delivered)
{
    struct mock m;
    begin(&m, "acks", "all");
    CHECK_INT(m.run.lane.connected, false);
    for (int i = 0; i < 3; i++)
        CHECK_INT(offer(&m, "t", 100), OK);
    CHECK_INT(m.run.ops->flush(m.run.self, clock_mono_ns() + 15 * SEC_NS, NULL), OK);
    CHECK_INT(m.run.ended[OK], 3);
    CHECK_INT(m.run.lane.connected, true);
    end(&m);
}

TEST(a_full_window_says_again)
{
    struct mock m;
    begin(&m, "in_flight", "2");
    CHECK_INT(offer(&m, "t", 1), OK);
    CHECK_INT(offer(&m, "t", 1), OK);
    CHECK_INT(offer(&m, "t", 1), ERR_AGAIN);
    CHECK(ends(&m, OK));
    end(&m);
}

TEST(what_is_closed_ends_as_closed)
{
    struct mock m;
    begin(&m, "acks", "all");
    CHECK_INT(rd_kafka_mock_broker_set_rtt(m.cluster, 1, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
    CHECK_INT(offer(&m, "t", 1), OK);
    CHECK_INT(offer(&m, "t", 1), OK);
    end(&m);
    CHECK_INT(m.run.ended[ERR_CLOSED], 2);
}

TEST(a_broker_that_is_away_gives_back_what_waits_and_says_why)
{
    struct mock m;
    begin(&m, "acks", "all");
    CHECK_INT(rd_kafka_mock_broker_set_down(m.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    CHECK_INT(offer(&m, "t", 1), OK);
    CHECK(ends(&m, ERR_AGAIN));
    CHECK(strstr(m.run.err.text, "127.0.0.1"));
    CHECK_INT(offer(&m, "t", 1), ERR_IO);
    CHECK(strstr(m.run.err.text, "127.0.0.1"));
    CHECK_INT(rd_kafka_mock_broker_set_up(m.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    enum status s;
    while ((s = offer(&m, "t", 1)) == ERR_IO)
        work(&m);
    CHECK_INT(s, OK);
    CHECK(ends(&m, OK));
    end(&m);
}

TEST(what_is_not_confirmed_in_time_may_have_arrived)
{
    struct mock m;
    begin(&m, "timeout", "1s");
    CHECK_INT(offer(&m, "t", 1), OK);
    CHECK(ends(&m, OK));
    CHECK_INT(rd_kafka_mock_broker_set_rtt(m.cluster, 1, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
    CHECK_INT(offer(&m, "t", 1), OK);
    CHECK(ends(&m, ERR_TIMEOUT));
    CHECK_INT(m.run.ended[ERR_AGAIN], 0);
    end(&m);
}

TEST(a_refused_topic_is_denied)
{
    struct mock m;
    begin(&m, "acks", "all");
    rd_kafka_mock_push_request_errors(m.cluster, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    CHECK_INT(offer(&m, "t", 1), OK);
    CHECK(ends(&m, ERR_DENIED));
    CHECK(strstr(m.run.err.text, "topic t: ") && strstr(m.run.err.text, "Write"));
    end(&m);
}

TEST(errors_that_pass_are_no_end)
{
    struct mock m;
    begin(&m, "acks", "all");
    rd_kafka_mock_push_request_errors(m.cluster, PRODUCE, 2,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    CHECK_INT(offer(&m, "t", 1), OK);
    CHECK(ends(&m, OK));
    end(&m);
}

TEST(a_topic_that_does_not_exist_is_named)
{
    struct mock m;
    begin(&m, "timeout", "2s");
    rd_kafka_mock_topic_set_error(m.cluster, "u", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    CHECK_INT(offer(&m, "u", 1), OK);
    CHECK(ends(&m, ERR_AGAIN));
    CHECK(strstr(m.run.err.text, "topic u: ") && strstr(m.run.err.text, "make the topic"));
    end(&m);
}

TEST(what_is_too_large_by_itself_is_a_limit_and_what_is_in_its_company_comes_again)
{
    struct mock m;
    begin(&m, "acks", "all");
    size_t before = m.run.lane.max_payload;
    rd_kafka_mock_push_request_errors(m.cluster, PRODUCE, 2, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    CHECK_INT(offer(&m, "t", before), OK);
    CHECK(ends(&m, ERR_LIMIT));
    CHECK(strstr(m.run.err.text, "topic t: "));
    size_t less = m.run.lane.max_payload;
    CHECK(less < before / 3 && less > before / 5);
    CHECK_INT(offer(&m, "t", 10), OK); /* by another producer */
    CHECK(ends(&m, ERR_AGAIN));
    CHECK(m.run.lane.max_payload < less);
    CHECK_INT(offer(&m, "t", 10), OK);
    CHECK(ends(&m, OK));
    CHECK_INT(offer(&m, "t", less), ERR_LIMIT);
    end(&m);
}

TEST(the_size_grows_again_step_by_step_after_a_while)
{
    struct mock m;
    begin(&m, "acks", "all");
    size_t most = m.run.lane.max_payload;
    for (int i = 0; i < 2; i++) {
        rd_kafka_mock_push_request_errors(m.cluster, PRODUCE, 1,
                                          RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
        CHECK_INT(offer(&m, "t", 10), OK);
        CHECK(ends(&m, ERR_AGAIN));
    }
    size_t least = m.run.lane.max_payload;
    int64_t late_ns = clock_mono_ns() + 60 * SEC_NS, late_ms = clock_wall_ms();
    clock_hold(late_ns, late_ms);
    CHECK_INT(offer(&m, "t", 10), OK);
    CHECK_INT(m.run.lane.max_payload, least);
    for (int i = 1; i < 4; i++) {
        size_t before = m.run.lane.max_payload;
        clock_hold(late_ns + i * KAFKA_GROW_NS, late_ms);
        CHECK_INT(m.run.ops->flush(m.run.self, clock_mono_ns() + SEC_NS, NULL), OK);
        CHECK_INT(offer(&m, "t", 10), OK);
        CHECK(i == 3 ? m.run.lane.max_payload == most : m.run.lane.max_payload > before);
    }
    clock_release();
    CHECK_INT(offer(&m, "t", most), OK);
    CHECK(ends(&m, OK));
    end(&m);
}

TEST(the_size_stays_where_messages_cannot_be_cut)
{
    struct mock m;
    begin(&m, "acks", "all");
    rd_kafka_mock_push_request_errors(m.cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    CHECK_INT(offer_samples(&m, "t", 10, 2), OK);
    CHECK(ends(&m, ERR_AGAIN));
    size_t least = m.run.lane.max_payload;
    clock_hold(clock_mono_ns() + 2 * KAFKA_GROW_NS, clock_wall_ms());
    CHECK_INT(offer(&m, "t", 10), OK);
    CHECK_INT(m.run.ops->flush(m.run.self, clock_mono_ns() + SEC_NS, NULL), OK);
    CHECK_INT(offer(&m, "t", 10), OK);
    CHECK_INT(m.run.lane.max_payload, least);
    clock_release();
    end(&m);
}

TEST(a_producer_that_may_not_be_idempotent_is_denied_and_another_is_made)
{
    struct mock m;
    begin(&m, "acks", "all");
    rd_kafka_mock_push_request_errors(m.cluster, 22 /* InitProducerId */, 1,
                                      RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    CHECK_INT(offer(&m, "t", 1), OK);
    CHECK(ends(&m, ERR_DENIED));
    CHECK(strstr(m.run.err.text, "IdempotentWrite"));
    CHECK_INT(offer(&m, "t", 1), OK);
    CHECK(ends(&m, OK));
    end(&m);
}

/* What is in the topic, in the order of one key. */
static rd_kafka_t *reader(struct mock *m)
{
    static const char *const pairs[][2] = {
        {"group.id", "g"}, {"enable.auto.commit", "false"}, {"auto.offset.reset", "earliest"}};
    char text[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, ignore);
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        CHECK_INT(rd_kafka_conf_set(conf, pairs[i][0], pairs[i][1], text, sizeof text),
                  RD_KAFKA_CONF_OK);
    CHECK_INT(rd_kafka_conf_set(conf, "bootstrap.servers",
                                rd_kafka_mock_cluster_bootstraps(m->cluster), text, sizeof text),
              RD_KAFKA_CONF_OK);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    CHECK(rk != NULL);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(4);
    rd_kafka_topic_partition_list_add_range(all, "t", 0, 3);
    for (int i = 0; i < all->cnt; i++)
        all->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
    CHECK_INT(rd_kafka_assign(rk, all), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(all);
    return rk;
}

static rd_kafka_message_t *next_of(rd_kafka_t *rk)
{
    int64_t until = clock_mono_ns() + 15 * SEC_NS;
    while (clock_mono_ns() < until) {
        rd_kafka_message_t *got = rd_kafka_consumer_poll(rk, 100);
        if (got && !got->err)
            return got;
        if (got)
            rd_kafka_message_destroy(got);
    }
    test_fail(__FILE__, __LINE__, "no message");
    return NULL;
}

/* That it stands there so often, with this value. */
static void check_header(const rd_kafka_message_t *got, const char *name, size_t times,
                         const char *want)
{
    rd_kafka_headers_t *all;
    const void *value;
    size_t len, n = 0;
    CHECK_INT(rd_kafka_message_headers(got, &all), RD_KAFKA_RESP_ERR_NO_ERROR);
    while (rd_kafka_header_get(all, n, name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        CHECK_INT(len, strlen(want));
        CHECK(memcmp(value, want, len) == 0);
        n++;
    }
    CHECK_INT(n, times);
}

/* The next message has that content, as a frame for liblz4's reader, or (NULL) as it is. */
static void check_next(rd_kafka_t *rk, struct span want, const char *encoding)
{
    static char back[1 << 20];
    rd_kafka_message_t *got = next_of(rk);
    struct span content = {got->payload, got->len};
    check_header(got, "Content-Encoding", encoding ? 1 : 0, encoding ? encoding : "");
    check_header(got, "Strata-Schema", 1, "1");
    if (encoding && strcmp(encoding, "lz4") == 0) {
        size_t len = sizeof back, in = got->len;
        LZ4F_dctx *d;
        CHECK(got->len < want.len);
        CHECK(!LZ4F_isError(LZ4F_createDecompressionContext(&d, LZ4F_VERSION)));
        CHECK_INT(LZ4F_decompress(d, back, &len, got->payload, &in, NULL), 0);
        LZ4F_freeDecompressionContext(d);
        CHECK_INT(in, got->len);
        content = (struct span){back, len};
    }
    CHECK_INT(content.len, want.len);
    CHECK(memcmp(content.data, want.data, want.len) == 0);
    rd_kafka_message_destroy(got);
}

/* The lines of a page by an encoder, as the lane of this sink has them made: as a frame, where the
 * encoder can. */
static struct payload *lines(struct mock *m, const char *encoder, bool lz4)
{
    AUTO(buf) struct buf text = BUF_INIT(10000);
    for (int i = 0; i < LINES; i++)
        CHECK_INT(buf_printf(&text, "requests_total{pod=\"cart-%d\"} %d\n", i, i), OK);
    AUTO_PTR(page) struct page *page = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    struct encoder_step e = encoder_configured(encoder, "");
    struct lz4_message room = {0};
    struct encoder_counts counts = {0};
    struct payload *p = sink_run_payload(&m->run, "", 0);
    size_t from = 0;
    p->body.max = 10000;
    e.lz4 = lz4 && m->run.ops->wants_lz4(m->run.conf) && encoder_writes_lz4(e.ops, e.self) ? &room
                                                                                           : NULL;
    CHECK_INT(encoder_run(&e, read_text(page, text.data), &from, p, NULL, &counts), LINES);
    e.ops->close(e.self);
    lz4_message_done(&room);
    return p;
}

static void make_noise(char *body, size_t len)
{
    uint64_t random = 88172645463325252;
    for (size_t i = 0; i < len; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        body[i] = (char)(random >> 32);
    }
}

TEST(messages_are_frames_of_their_own_where_that_makes_them_smaller)
{
    static const char *const encoders[] = {"json", "influx", "statsd"};
    static const char *const snappy[] = {"Content-Encoding: snappy", NULL};
    struct payload *want[ARRAY_LEN(encoders)];
    struct mock m;
    char noise[500], even[500];
    begin(&m, "compression", "lz4_frame");
    for (size_t i = 0; i < ARRAY_LEN(encoders); i++) {
        want[i] = lines(&m, encoders[i], false);
        struct payload *p = lines(&m, encoders[i], true);
        CHECK((p->headers != NULL) ==
              (i == 0)); /* json makes it, the others leave it to the sink */
        CHECK_INT(give(&m, "t", p), OK);
    }
    make_noise(noise, sizeof noise);
    CHECK_INT(give(&m, "t", sink_run_payload(&m.run, noise, sizeof noise)), OK);
    memset(even, 'x', sizeof even);
    struct payload *p = sink_run_payload(&m.run, even, sizeof even);
    p->headers = snappy;
    CHECK_INT(give(&m, "t", p), OK);
    CHECK_INT(m.run.ops->flush(m.run.self, clock_mono_ns() + 15 * SEC_NS, NULL), OK);
    CHECK_INT(m.run.ended[OK], 5);
    rd_kafka_t *rk = reader(&m);
    for (size_t i = 0; i < ARRAY_LEN(encoders); i++) {
        check_next(rk, (struct span){want[i]->body.data, want[i]->body.len}, "lz4");
        payload_free(want[i]);
    }
    check_next(rk, (struct span){noise, sizeof noise}, NULL);
    check_next(rk, (struct span){even, sizeof even}, "snappy");
    rd_kafka_destroy(rk);
    end(&m);
}

TEST(batches_say_nothing_of_their_compression_in_headers)
{
    struct mock m;
    begin(&m, "compression", "lz4");
    rd_kafka_t *rk = reader(&m);
    AUTO_PTR(payload) struct payload *want = lines(&m, "json", true);
    CHECK(!want->headers);
    CHECK_INT(give(&m, "t", lines(&m, "json", true)), OK);
    check_next(rk, (struct span){want->body.data, want->body.len}, NULL);
    rd_kafka_destroy(rk);
    end(&m);
}

TEST(what_is_compressed_and_in_flight_is_bounded)
{
    enum { LEN = 900000 };
    struct mock m;
    char *body = mem_alloc(LEN);
    make_noise(body, LEN / 2); /* the rest is zeros: half as long in a frame */
    begin(&m, "compression", "lz4_frame");
    CHECK_INT(rd_kafka_mock_broker_set_rtt(m.cluster, 1, 1000), RD_KAFKA_RESP_ERR_NO_ERROR);
    size_t most = KAFKA_COPIES / (LEN / 2) + 1;
    for (size_t round = 1; round <= 2; round++) {
        for (size_t i = 0; i < most; i++)
            CHECK_INT(give(&m, "t", sink_run_payload(&m.run, body, LEN)), OK);
        CHECK_INT(give(&m, "t", sink_run_payload(&m.run, body, LEN)), ERR_AGAIN);
        CHECK_INT(offer(&m, "t", 1), ERR_AGAIN);
        CHECK_INT(m.run.ops->flush(m.run.self, clock_mono_ns() + 30 * SEC_NS, NULL), OK);
        CHECK_INT(m.run.ended[OK], round * most);
    }
    mem_free(body);
    end(&m);
}

TEST(what_brokers_find_too_large_is_judged_by_what_was_sent)
{
    struct mock m;
    begin(&m, "compression", "lz4_frame");
    size_t before = m.run.lane.max_payload;
    rd_kafka_mock_push_request_errors(m.cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    CHECK_INT(offer(&m, "t", before), OK);
    CHECK(ends(&m, ERR_AGAIN)); /* a frame of some kilobytes: it was its company */
    CHECK(m.run.lane.max_payload < before / 3);
    CHECK_INT(offer(&m, "t", before), OK);
    CHECK(ends(&m, OK));
    char *noise = mem_alloc(before);
    make_noise(noise, before);
    CHECK_INT(give(&m, "t", sink_run_payload(&m.run, noise, before)), ERR_LIMIT);
    mem_free(noise);
    end(&m);
}
