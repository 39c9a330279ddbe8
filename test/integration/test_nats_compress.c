/* SPDX-License-Identifier: Apache-2.0 */
/* The nats sink's compression against a real server: what arrives is what was sent, smaller. */
#include "nats_check.h"

#include "compress.h"
#include "mem.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <zstd.h>

enum { MOST = 300000 };

static char body[MOST], back[MOST + 1];

/* Of len bytes: lines that differ a little, or bytes that nothing makes smaller. */
static void make_body(size_t len, bool noise)
{
    uint64_t random = 88172645463325252;
    for (size_t i = 0; i < len; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        body[i] = noise           ? (char)(random >> 32)
                  : i % 100 == 99 ? '\n'
                                  : "abcd"[random & (i % 7 == 0)];
    }
}

static size_t expand(const char *how, const char *data, size_t len)
{
    size_t out = sizeof back, in = len;
    if (strcmp(how, "zstd") == 0)
        return ZSTD_decompress(back, sizeof back, data, len);
    if (strcmp(how, "snappy") == 0)
        return snappy_uncompress(data, len, back, &out) == SNAPPY_OK ? out : SIZE_MAX;
    LZ4F_dctx *d;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&d, LZ4F_VERSION)))
        abort();
    size_t r = LZ4F_decompress(d, back, &out, data, &in, NULL);
    LZ4F_freeDecompressionContext(d);
    return r == 0 && in == len ? out : SIZE_MAX;
}

/* That the next message is body, compressed so; NULL: as it is. */
static void check_next(struct peer *peer, size_t len, const char *how)
{
    natsMsg *m = peer_next(peer);
    size_t got = (size_t)natsMsg_GetDataLength(m);
    CHECK_STR(header(m, "Content-Encoding"), how ? how : "(none)");
    CHECK_STR(header(m, "Content-Type"), "application/x-ndjson");
    CHECK_STR(header(m, "Strata-Samples"), "3");
    if (how) {
        CHECK(got < len);
        CHECK_INT(expand(how, natsMsg_GetData(m), got), len);
        CHECK(memcmp(back, body, len) == 0);
    } else {
        CHECK_INT(got, len);
        CHECK(memcmp(natsMsg_GetData(m), body, len) == 0);
    }
    natsMsg_Destroy(m);
}

static void check_compression(const char *how)
{
    static const size_t lengths[] = {1000, MOST, 200, 70000};
    struct peer peer = {0};
    server_start("");
    peer_open(&peer);
    peer_subscribe(&peer, ">");
    OPEN("compression", how);
    size_t sent = 0;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        make_body(lengths[i], false);
        CHECK_INT(send_for(message(&cart, ++sent, body, lengths[i]), 10 * SEC_NS), OK);
        check_next(&peer, lengths[i], how);
    }
    make_body(1000, true);
    CHECK_INT(send_for(message(&cart, ++sent, body, 1000), 10 * SEC_NS), OK);
    check_next(&peer, 1000, NULL);
    CHECK_INT(send_for(message(&cart, ++sent, body, 0), 10 * SEC_NS), OK);
    check_next(&peer, 0, NULL);
    CHECK_INT(ended(OK), sent);
    peer_close(&peer);
    sink_run_close(&run);
}

TEST(zstd_is_what_was_sent)
{
    check_compression("zstd");
}

TEST(lz4_is_what_was_sent)
{
    check_compression("lz4");
}

TEST(snappy_is_what_was_sent)
{
    check_compression("snappy");
}

TEST(what_its_encoder_has_compressed_is_not_compressed_again)
{
    static const char *const headers[] = {"Content-Encoding: snappy", NULL};
    struct peer peer = {0};
    server_start("");
    peer_open(&peer);
    peer_subscribe(&peer, ">");
    OPEN("compression", "zstd");
    make_body(1000, false);
    struct payload *p = message(&cart, 1, body, 1000);
    p->headers = headers;
    CHECK_INT(send_for(p, 10 * SEC_NS), OK);
    natsMsg *m = peer_next(&peer);
    CHECK_STR(header(m, "Content-Encoding"), "snappy");
    CHECK_INT(natsMsg_GetDataLength(m), 1000);
    CHECK(memcmp(natsMsg_GetData(m), body, 1000) == 0);
    natsMsg_Destroy(m);
    CHECK_INT(ended(OK), 1);
    peer_close(&peer);
    sink_run_close(&run);
}

TEST(the_servers_bound_is_that_of_what_is_sent)
{
    struct peer peer = {0};
    server_start("max_payload: 8192");
    peer_open(&peer);
    peer_subscribe(&peer, ">");
    OPEN("compression", "lz4");
    make_body(30000, false);
    CHECK_INT(send_for(message(&cart, 1, body, 30000), 10 * SEC_NS), OK); /* before it is learned */
    check_next(&peer, 30000, "lz4");
    CHECK_INT(run.lane.max_payload, 8192 - 1024); /* whatever it is, a message of that fits */
    make_body(30000, true);
    CHECK_INT(send_for(message(&cart, 2, body, 30000), SEC_NS), ERR_LIMIT);
    CHECK_INT(send_for(message(&cart, 3, body, run.lane.max_payload), SEC_NS), OK);
    check_next(&peer, run.lane.max_payload, NULL);
    CHECK_INT(ended(OK), 2);
    CHECK_INT(run.lane.connects, 1); /* the server has seen nothing too large */
    peer_close(&peer);
    sink_run_close(&run);
}

TEST(a_stream_keeps_one_of_a_message_that_is_sent_again)
{
    struct peer peer = {0};
    server_start("jetstream { store_dir: \"%s\" }");
    peer_open(&peer);
    peer_add_stream(&peer, &(jsStreamConfig){.Storage = js_MemoryStorage});
    OPEN("jetstream.stream", "METRICS", "compression", "zstd");
    make_body(20000, false);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(send_for(message(&cart, 7, body, 20000), 10 * SEC_NS), OK);
        CHECK_INT(ended(OK), i + 1);
    }
    CHECK_INT(peer_stored(&peer), 1);
    CHECK_INT(run.lane.duplicates, 1);
    natsMsg *m = NULL;
    MUST(js_GetMsg(&m, peer.js, "METRICS", 1, NULL, NULL));
    CHECK_STR(header(m, "Content-Encoding"), "zstd");
    CHECK_INT(expand("zstd", natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m)), 20000);
    CHECK(memcmp(back, body, 20000) == 0);
    natsMsg_Destroy(m);
    peer_close(&peer);
    sink_run_close(&run);
}
