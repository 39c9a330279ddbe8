/* SPDX-License-Identifier: Apache-2.0 */
/* The nats sink with JetStream: nothing is lost, nothing is there twice, and every
 * payload ends once, whatever becomes of the server. */
#include "nats_check.h"

#define JETSTREAM "jetstream { store_dir: \"%s/js\" }\n"

#define STREAM "jetstream.stream", "METRICS"
#define CREATE STREAM, "jetstream.create", "true"

TEST(a_stream_is_made_when_asked_and_its_messages_have_ids)
{
    server_start(JETSTREAM);
    struct peer peer = {0};
    peer_open(&peer);
    OPEN(CREATE, "jetstream.duplicate_window", "90s", "jetstream.max_bytes", "10MiB");
    CHECK_INT(send_body(5, "five"), OK);
    CHECK_INT(ended(OK), 1);
    CHECK_INT(run.lane.duplicate_window_ns, 90 * SEC_NS);
    jsStreamInfo *info = NULL;
    MUST(js_GetStreamInfo(&info, peer.js, "METRICS", NULL, NULL));
    CHECK_STR(info->Config->Subjects[0], "metrics.*.*");
    CHECK_INT(info->Config->SubjectsLen, 1);
    CHECK_INT(info->Config->Storage, js_FileStorage);
    CHECK_INT(info->Config->MaxBytes, 10 << 20);
    CHECK_INT(info->Config->Duplicates, 90 * SEC_NS);
    jsStreamInfo_Destroy(info);
    natsMsg *m = NULL;
    MUST(js_GetMsg(&m, peer.js, "METRICS", 1, NULL, NULL));
    CHECK_STR(header(m, "Nats-Msg-Id"), "00000000000000010000000000000005");
    CHECK_STR(header(m, "Strata-Id"), "00000000000000010000000000000005");
    CHECK_INT(natsMsg_GetDataLength(m), 4);
    natsMsg_Destroy(m);
    peer_close(&peer);
    sink_run_close(&run);
}

TEST(an_id_sent_again_is_stored_once)
{
    server_start(JETSTREAM);
    struct peer peer = {0};
    peer_open(&peer);
    OPEN(CREATE);
    for (int i = 0; i < 5; i++)
        CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(send_body(2, "x"), OK);
    CHECK_INT(ended(OK), 6);
    CHECK_INT(peer_stored(&peer), 2);
    CHECK_INT(run.lane.duplicates, 4); /* as if five messages had one id */
    struct payload *p = message(&cart, 2, "x", 1);
    p->unknown = true; /* a resend, as the lane marks it */
    CHECK_INT(send_for(p, 10 * SEC_NS), OK);
    CHECK_INT(ended(OK), 7);
    CHECK_INT(run.lane.duplicates, 4);
    peer_close(&peer);
    sink_run_close(&run);
}

TEST(a_stream_that_is_there_is_left_as_it_is_and_its_bounds_are_learned)
{
    server_start(JETSTREAM);
    struct peer peer = {0};
    peer_open(&peer);
    jsStreamConfig c;
    jsStreamConfig_Init(&c);
    c.MaxMsgSize = 5000;
    c.Duplicates = 7 * SEC_NS;
    peer_add_stream(&peer, &c);
    OPEN(CREATE);
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(OK), 1);
    CHECK_INT(run.lane.max_payload, 5000 - 1024);
    CHECK_INT(run.lane.duplicate_window_ns, 7 * SEC_NS);
    static char body[5001];
    memset(body, 'x', sizeof body);
    CHECK_INT(send_for(message(&cart, 2, body, sizeof body), SEC_NS), OK);
    CHECK_INT(ended(ERR_LIMIT), 1); /* the server's bound is larger, so the stream answers */
    CHECK(strstr(explained(), "maximum"));
    peer_close(&peer);
    sink_run_close(&run);
}

TEST(a_missing_stream_is_named_with_what_to_do_and_taken_once_it_is_there)
{
    server_start(JETSTREAM);
    struct peer peer = {0};
    peer_open(&peer);
    OPEN(STREAM);
    CHECK_INT(send_once(1, "x"), ERR_AGAIN);
    CHECK_STR(run.err.text, "no stream METRICS: make it (nats stream add METRICS --subjects "
                            "'metrics.*.*'), or set jetstream.create");
    jsStreamConfig c;
    jsStreamConfig_Init(&c);
    peer_add_stream(&peer, &c);
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(OK), 1);
    CHECK_INT(run.lane.connects, 1);
    peer_close(&peer);
    sink_run_close(&run);
}

TEST(a_server_without_jetstream_is_told)
{
    server_start("");
    OPEN(CREATE);
    CHECK_INT(send_once(1, "x"), ERR_AGAIN);
    CHECK(strstr(run.err.text, "no JetStream there"));
    sink_run_close(&run);
}

TEST(a_stream_that_goes_is_missed_and_made_again)
{
    server_start(JETSTREAM);
    struct peer peer = {0};
    peer_open(&peer);
    OPEN(CREATE);
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(OK), 1);
    MUST(js_DeleteStream(peer.js, "METRICS", NULL, NULL));
    CHECK_INT(send_once(2, "x"), OK);
    CHECK_INT(ended(ERR_AGAIN), 1);
    CHECK(strstr(explained(), "stream METRICS lacks it, or is gone"));
    size_t before = run.ended[OK];
    for (int i = 0; i < 1000 && run.ended[OK] == before; i++) {
        (void)!send_once(2, "x");
        CHECK_INT(flush(), OK);
        server_pause();
    }
    CHECK_INT(peer_stored(&peer), 1);
    peer_close(&peer);
    sink_run_close(&run);
}

TEST(a_full_stream_that_refuses_new_messages_is_tried_again)
{
    server_start(JETSTREAM);
    struct peer peer = {0};
    peer_open(&peer);
    jsStreamConfig c;
    jsStreamConfig_Init(&c);
    c.MaxMsgs = 1;
    c.Discard = js_DiscardNew;
    peer_add_stream(&peer, &c);
    OPEN(STREAM);
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(OK), 1);
    CHECK_INT(send_body(2, "x"), OK);
    CHECK_INT(ended(ERR_AGAIN), 1);
    CHECK(strstr(explained(), "maximum messages exceeded"));
    MUST(js_PurgeStream(peer.js, "METRICS", NULL, NULL));
    CHECK_INT(send_body(2, "x"), OK);
    CHECK_INT(ended(OK), 2);
    peer_close(&peer);
    sink_run_close(&run);
}

TEST(a_subject_of_another_stream_is_denied_not_lost)
{
    server_start(JETSTREAM);
    struct peer peer = {0};
    peer_open(&peer);
    jsStreamConfig c;
    jsStreamConfig_Init(&c);
    peer_add_stream(&peer, &c);
    OPEN("jetstream.stream", "OTHER", "jetstream.create", "true", "jetstream.subjects", "other");
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(ERR_DENIED), 1);
    CHECK_INT(peer_stored(&peer), 0);
    peer_close(&peer);
    sink_run_close(&run);
}

TEST(an_account_that_may_not_ask_about_streams_can_publish)
{
    server_start(JETSTREAM
                 "authorization { users: [ {user: boss, password: b}, {user: a, password: b, "
                 "permissions: {publish: [\"metrics.>\"], subscribe: [\"_acks.>\"]}} ] }");
    struct peer peer = {0};
    snprintf(server.url, sizeof server.url, "nats://boss:b@127.0.0.1:%d", server.port);
    peer_open(&peer);
    snprintf(server.url, sizeof server.url, "nats://127.0.0.1:%d", server.port);
    jsStreamConfig c;
    jsStreamConfig_Init(&c);
    peer_add_stream(&peer, &c);
    OPEN(STREAM, "user", "a", "password", "b", "inbox_prefix", "_acks", "connect_timeout", "300ms");
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(OK), 1);
    CHECK_INT(run.lane.duplicate_window_ns, 120 * SEC_NS);
    OPEN(STREAM, "user", "a", "password", "b", "connect_timeout", "300ms"); /* _INBOX: denied */
    enum status s = send_once(2, "x");
    CHECK_INT(s, ERR_DENIED);
    CHECK(strstr(run.err.text, "_INBOX"));
    peer_close(&peer);
    sink_run_close(&run);
}

TEST(no_answer_in_time_is_a_timeout_and_a_late_one_ends_nothing)
{
    server_start(JETSTREAM);
    struct peer peer = {0};
    peer_open(&peer);
    OPEN(CREATE, "timeout", "150ms");
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(OK), 1);
    server_signal(SIGSTOP);
    for (uint64_t id = 2; id < 12; id++)
        CHECK_INT(send_once(id, "x"), OK);
    CHECK_INT(ended(ERR_TIMEOUT), 10);
    server_signal(SIGCONT); /* it stores and answers all of them now */
    for (uint64_t id = 2; id < 12; id++)
        CHECK_INT(send_body(id, "x"), OK);
    CHECK_INT(flush(), OK);
    CHECK_INT(run.ended[OK] + run.ended[ERR_TIMEOUT], 21);
    CHECK_INT(peer_stored(&peer), 11);
    peer_close(&peer);
    sink_run_close(&run);
}

TEST(closing_ends_what_is_not_acknowledged)
{
    server_start(JETSTREAM);
    OPEN(CREATE);
    CHECK_INT(send_body(1, "x"), OK);
    CHECK_INT(ended(OK), 1);
    server_signal(SIGSTOP);
    for (uint64_t id = 2; id < 12; id++)
        CHECK_INT(send_once(id, "x"), OK);
    run.ops->close(run.self);
    run.self = NULL;
    CHECK_INT(run.ended[ERR_CLOSED], 10);
    server_signal(SIGCONT);
    sink_run_close(&run);
}

TEST(two_agents_on_one_stream_lose_nothing_to_each_other)
{
    server_start(JETSTREAM);
    struct peer peer = {0};
    peer_open(&peer);
    OPEN(CREATE);
    static struct sink_run other;
    CHECK_INT(
        sink_run_open(&other, "nats", (const char *const[]){"servers", server.url, CREATE, NULL}),
        OK);
    const struct payload_origin one = {.cluster = "prod",
                                       .instance = "node-1",
                                       .pool = "main",
                                       .output = "o",
                                       .settings = "",
                                       .target = "same",
                                       .due_ms = 1};
    struct payload_origin two = one;
    two.instance = "node-2";
    for (int i = 0; i < 2; i++) { /* the second round finds all ids known */
        struct payload *p = message(&cart, 0, "one", 3), *q = message(&cart, 0, "two", 3);
        p->id = payload_id_make(&one);
        q->id = payload_id_make(&two);
        q->lane = &other;
        CHECK_INT(send_for(p, 10 * SEC_NS), OK);
        CHECK_INT(ended(OK), (size_t)i + 1);
        CHECK_INT(other.ops->send(other.self, q, clock_mono_ns() + 10 * SEC_NS, NULL), OK);
        CHECK_INT(other.ops->flush(other.self, clock_mono_ns() + 10 * SEC_NS, NULL), OK);
        CHECK_INT(other.ended[OK], i + 1);
    }
    CHECK_INT(peer_stored(&peer), 2);
    peer_close(&peer);
    sink_run_close(&other);
    sink_run_close(&run);
}

/* A lane in small: each item is sent until it ends as OK. */
#define ITEMS 3000
enum { WAITS, FLIES, STORED };
static struct item {
    _Atomic int state;
    _Atomic unsigned ends, sends;
} items[ITEMS];

static void item_end(void *lane, struct payload *p, enum status how)
{
    struct item *it = lane;
    if (how != OK && !status_retryable(how))
        abort();
    payload_free(p);
    it->ends++;
    it->state = how == OK ? STORED : WAITS;
}

static size_t item_body(size_t i, char body[600])
{
    size_t len = 100 + i % 400;
    memset(body, 'a' + (int)(i % 26), len);
    return len;
}

static void send_item(size_t i)
{
    char body[600];
    struct payload *p = message(&cart, i + 1, body, item_body(i, body));
    p->end = item_end;
    p->lane = &items[i];
    items[i].state = FLIES;
    items[i].sends++;
    if (run.ops->send(run.self, p, clock_mono_ns() + SEC_NS, &run.err) != OK) {
        items[i].sends--;
        items[i].state = WAITS;
        payload_free(p);
        server_pause();
    }
}

/* One round over all items, the server dying at item die_at; how many are not stored. */
static size_t send_round(size_t die_at)
{
    size_t left = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        if (i == die_at) {
            server_kill();
            server_restart();
        }
        left += items[i].state != STORED;
        if (items[i].state == WAITS)
            send_item(i);
    }
    return left;
}

static void check_stream_has_each_item_once(struct peer *peer)
{
    static bool seen[ITEMS];
    CHECK_INT(peer_stored(peer), ITEMS);
    for (uint64_t seq = 1; seq <= ITEMS; seq++) {
        natsMsg *m = NULL;
        char want[600];
        MUST(js_GetMsg(&m, peer->js, "METRICS", seq, NULL, NULL));
        size_t i = strtoull(header(m, "Nats-Msg-Id") + 16, NULL, 16) - 1;
        CHECK(i < ITEMS && !seen[i]);
        seen[i] = true;
        CHECK_INT(natsMsg_GetDataLength(m), item_body(i, want));
        CHECK(memcmp(natsMsg_GetData(m), want, item_body(i, want)) == 0);
        natsMsg_Destroy(m);
    }
}

TEST(a_server_killed_twice_while_sending_has_every_id_once)
{
    server_start(JETSTREAM);
    OPEN(CREATE, "in_flight", "64", "timeout", "2s");
    size_t left = ITEMS, rounds = 0;
    left = send_round(ITEMS / 3);
    for (; left > 0 && rounds < 20000; rounds++) {
        left = send_round(rounds == 0 ? ITEMS * 2 / 3 : ITEMS);
        server_pause();
    }
    CHECK_INT(left, 0);
    CHECK_INT(flush(), OK);
    unsigned resent = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        CHECK_INT(items[i].ends, items[i].sends); /* exactly one end each */
        resent += items[i].sends - 1;
    }
    printf("# %u sent again, %zu rounds, %d connections\n", resent, rounds, (int)run.lane.connects);
    CHECK(run.lane.connects >= 3);
    struct peer peer = {0};
    peer_open(&peer);
    check_stream_has_each_item_once(&peer);
    peer_close(&peer);
    sink_run_close(&run);
}
