/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the nats sink that need no server: answers, tickets, subjects. */
#include "lane.h"
#include "mem.h"
#include "nats_ack.h"
#include "nats_conf.h"
#include "nats_flights.h"
#include "sinks.h"
#include "test.h"

static bool duplicate; /* of the last ack */

static enum status ack(const char *json, struct err *err)
{
    duplicate = false;
    return nats_ack_read((struct span){json, strlen(json)}, &duplicate, err);
}

TEST(an_acknowledgement_is_ok)
{
    struct err err;
    CHECK_INT(ack("{\"stream\":\"METRICS\",\"seq\":7}", &err), OK);
    CHECK_INT(ack(" { \"stream\" : \"a\\\"b\", \"seq\" : 7 , \"duplicate\":true } ", &err), OK);
    CHECK_INT(ack("{\"seq\":1,\"x\":[1,\"}\",null],\"domain\":{\"error\":{\"code\":400}}}", &err),
              OK);
}

TEST(an_acknowledgement_says_whether_the_id_was_known)
{
    static const struct {
        const char *json;
        bool want;
    } cases[] = {
        {"{\"stream\":\"S\",\"seq\":7,\"duplicate\":true}", true},
        {"{\"duplicate\": true , \"seq\":7}", true},
        {"{\"seq\":7,\"duplicate\":false}", false},
        {"{\"seq\":7,\"duplicate\":1}", false},
        {"{\"seq\":7,\"duplicate\":\"true\"}", false},
        {"{\"seq\":7,\"other\":true}", false},
        {"{\"seq\":7,\"x\":{\"duplicate\":true}}", false},
        {"{\"seq\":7}", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CHECK_INT(ack(cases[i].json, NULL), OK);
        CHECK_INT(duplicate, cases[i].want);
    }
    CHECK_INT(ack("{\"duplicate\":true,\"error\":{\"code\":500}}", NULL), ERR_AGAIN);
    CHECK(!duplicate);
}

TEST(each_error_of_a_stream_has_its_status)
{
    static const struct {
        int code, err_code;
        enum status want;
    } cases[] = {
        {503, 10077, ERR_AGAIN},   /* full, refusing new messages */
        {400, 10077, ERR_AGAIN},   /* the same, from other servers */
        {503, 10023, ERR_AGAIN},   /* insufficient resources */
        {503, 10008, ERR_AGAIN},   /* no leader now */
        {400, 10054, ERR_LIMIT},   /* message larger than the stream takes */
        {400, 10097, ERR_LIMIT},   /* headers too large */
        {400, 10060, ERR_DENIED},  /* another stream than expected */
        {400, 10109, ERR_DENIED},  /* sealed */
        {400, 10071, ERR_INVALID}, /* wrong last sequence */
        {400, 19999, ERR_INVALID}, /* a bad request, whatever it is */
        {500, 19999, ERR_AGAIN},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char json[200];
        struct err err;
        snprintf(json, sizeof json,
                 "{\"error\":{\"code\":%d,\"err_code\":%d,\"description\":\"why not\"},"
                 "\"stream\":\"S\",\"seq\":0}",
                 cases[i].code, cases[i].err_code);
        CHECK_INT(ack(json, &err), cases[i].want);
        CHECK(strstr(err.text, "why not (code 1"));
    }
}

TEST(an_answer_that_is_none_means_again)
{
    static const char *const cases[] = {
        "",
        "+ACK",
        "{",
        "{}",
        "{\"a\":1}",
        "{\"seq\":}",
        "{\"seq\":1",
        "{\"seq\":1,}",
        "{\"seq",
        "{\"a\":\"x\\",
        "[1]",
        "{\"a\":[[1]],\"seq\":1}",
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}},\"seq\":1}",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        if (ack(cases[i], &err) != ERR_AGAIN)
            test_fail(__FILE__, __LINE__, "%s", cases[i]);
        CHECK_STR(err.text, "an answer that is no acknowledgement");
    }
}

TEST(a_ticket_is_good_once)
{
    struct nats_flights f;
    uint64_t a, b, c;
    nats_flights_init(&f, 2);
    CHECK_INT(nats_flights_reserve(&f, &a), OK);
    CHECK_INT(nats_flights_reserve(&f, &b), OK);
    CHECK_INT(nats_flights_reserve(&f, &c), ERR_AGAIN);
    struct payload *p = payload_new("p", 10);
    nats_flights_put(&f, a, p, 5);
    CHECK(nats_flights_take(&f, a) == p);
    CHECK(nats_flights_take(&f, a) == NULL);
    CHECK(nats_flights_take(&f, b) == NULL); /* reserved only */
    CHECK_INT(f.len, 0);
    CHECK_INT(nats_flights_reserve(&f, &c), OK); /* the slots again, under other tickets */
    CHECK(c != a && c != b);
    nats_flights_put(&f, c, p, 5);
    CHECK(nats_flights_take(&f, a) == NULL && nats_flights_take(&f, b) == NULL);
    CHECK_INT(f.len, 1);
    CHECK(nats_flights_take(&f, c) == p);
    payload_free(p);
    nats_flights_done(&f);
}

TEST(tickets_that_were_never_given_find_nothing)
{
    struct nats_flights f;
    nats_flights_init(&f, 2);
    for (uint64_t slot = 0; slot < 4; slot++)
        for (uint64_t generation = 0; generation < 3; generation++)
            CHECK(nats_flights_take(&f, generation << 32 | slot) == NULL);
    CHECK_INT(f.len, 0);
    nats_flights_done(&f);
}

TEST(flights_keep_the_order_in_which_they_were_sent)
{
    struct nats_flights f;
    uint64_t t[4];
    struct payload *p[4];
    nats_flights_init(&f, 4);
    for (int i = 0; i < 4; i++) {
        p[i] = payload_new("p", 10);
        CHECK_INT(nats_flights_reserve(&f, &t[i]), OK);
    }
    static const int order[] = {2, 0, 3, 1};
    for (int i = 0; i < 4; i++)
        nats_flights_put(&f, t[order[i]], p[order[i]], i);
    uint64_t at = 0;
    for (int i = 0; i < 4; i++) {
        at = nats_flights_next(&f, at);
        CHECK(at == t[order[i]] && nats_flights_payload(&f, at) == p[order[i]]);
        CHECK_INT(nats_flights_deadline_ns(&f, at), i);
    }
    CHECK(nats_flights_next(&f, at) == 0);
    CHECK(nats_flights_take(&f, t[0]) == p[0]); /* from the middle, the front, the end */
    CHECK(nats_flights_next(&f, t[2]) == t[3]);
    CHECK(nats_flights_take(&f, t[2]) == p[2]);
    CHECK(nats_flights_next(&f, 0) == t[3]);
    CHECK(nats_flights_take(&f, t[1]) == p[1]);
    CHECK(nats_flights_next(&f, t[3]) == 0);
    CHECK(nats_flights_take(&f, t[3]) == p[3]);
    CHECK(nats_flights_next(&f, 0) == 0);
    for (int i = 0; i < 4; i++)
        payload_free(p[i]);
    nats_flights_done(&f);
}

TEST(the_host_of_a_url_is_found)
{
    static const struct {
        const char *url, *host; /* NULL: refused */
    } cases[] = {
        {"nats://a.b:4222", "a.b"},
        {"tls://a", "a"},
        {"a:1", "a"},
        {"nats://[::1]:4222", "::1"},
        {"nats://[::1", NULL},
        {"nats://", NULL},
        {"ws://a", NULL},
        {"nats://u:p@a", NULL},
        {"u:p@a", NULL},
        {"foo://u:p@a", NULL},
        {"nats://a b", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char host[NATS_HOST_MAX];
        enum status s = nats_conf_host(cases[i].url, host, NULL);
        CHECK_INT(s, cases[i].host ? OK : ERR_INVALID);
        if (cases[i].host)
            CHECK_STR(host, cases[i].host);
    }
}

TEST(a_url_with_a_password_is_refused_and_not_repeated)
{
    static const char *const urls[] = {"nats://user:s3cret@n:4222", "foo://user:s3cret@n:4222",
                                       "user:s3cret@n", "nats://s3cret@[n", "nats:// s3cret@"};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        char host[NATS_HOST_MAX];
        struct err err = {.text = ""};
        CHECK_INT(nats_conf_host(urls[i], host, &err), ERR_INVALID);
        CHECK(strstr(err.text, "settings of their own") && !strstr(err.text, "s3cret"));
    }
}

TEST(no_more_can_be_in_flight_than_a_lane_ever_has)
{
    CHECK_INT(setting_find(nats_settings, "in_flight")->max, LANE_WINDOW);
}

TEST(the_port_of_a_url_is_found)
{
    CHECK_INT(nats_conf_port("nats://a:1234"), 1234);
    CHECK_INT(nats_conf_port("a:1234"), 1234);
    CHECK_INT(nats_conf_port("nats://a"), 4222);
    CHECK_INT(nats_conf_port("nats://[::1]"), 4222);
    CHECK_INT(nats_conf_port("nats://[::1]:99"), 99);
    CHECK_INT(nats_conf_port("nats://a:99999"), 4222);
}

TEST(a_template_gives_the_wildcard_of_its_subjects)
{
    static const struct {
        const char *subject, *want;
    } cases[] = {
        {"metrics.{namespace}.{pod}", "metrics.*.*"},
        {"a.x-{pod}-y.z", "a.*.z"},
        {"{pool}", "*"},
        {"metrics", "metrics"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf) struct buf out = BUF_INIT(100);
        CHECK_INT(nats_conf_wildcard(cases[i].subject, &out), OK);
        CHECK_STR(out.data, cases[i].want);
    }
}

TEST(a_subject_that_grows_too_long_is_a_limit)
{
    static char value[2000];
    memset(value, 'x', sizeof value - 1);
    const struct label label = {"pod", value};
    const struct target t = {.id = "t", .pool = "p", .labels = &label, .labels_len = 1};
    struct sink_lane lane = {.name = "main/test"};
    struct nats_conf *c = mem_alloc(sizeof *c);
    setting_defaults(nats_settings, c);
    CHECK_INT(setting_set(nats_settings, c, "nats://h", NULL), OK);
    void *self = NULL;
    CHECK_INT(sink_find("nats")->open(&self, c, &lane, NULL), OK);
    setting_done(nats_settings, c);
    mem_free(c);
    AUTO(buf) struct buf out = BUF_INIT(PAYLOAD_TEXT_MAX);
    CHECK_INT(sink_find("nats")->render(self, &t, &out), ERR_LIMIT);
    sink_find("nats")->close(self);
}
