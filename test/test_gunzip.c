/* SPDX-License-Identifier: Apache-2.0 */
#include "gunzip.h"

#include "compress.h"
#include "test.h"

static const char text[] = "a 1\nb 2\nc 3\na 1\nb 2\nc 3\n";

static struct buf squeeze(const char *in, size_t len)
{
    struct buf out = BUF_INIT(1 << 20);
    struct compressor *c = compressor_new(COMPRESS_GZIP);
    CHECK_INT(compress_message(c, (struct span){in, len}, &out), OK);
    compressor_free(c);
    return out;
}

static enum status add(struct gunzip *g, const char *data, size_t len, struct buf *out)
{
    return gunzip_add(g, (struct span){data, len}, out, NULL);
}

TEST(in_pieces_of_any_length_it_is_what_it_was)
{
    AUTO(buf) struct buf in = squeeze(text, sizeof text - 1);
    for (size_t piece = 1; piece <= in.len; piece++) {
        AUTO(buf) struct buf out = BUF_INIT(1000);
        struct gunzip g = {.begun = false};
        for (size_t at = 0; at < in.len; at += piece) {
            CHECK(!g.ended);
            CHECK_INT(add(&g, in.data + at, in.len - at < piece ? in.len - at : piece, &out), OK);
        }
        CHECK(g.ended);
        CHECK_STR(out.data, text);
        gunzip_done(&g);
    }
}

TEST(cut_short_anywhere_it_has_not_ended)
{
    AUTO(buf) struct buf in = squeeze(text, sizeof text - 1);
    struct gunzip g = {.begun = false};
    for (size_t len = 0; len < in.len; len++) {
        AUTO(buf) struct buf out = BUF_INIT(1000);
        CHECK_INT(add(&g, in.data, len, &out), OK);
        CHECK(!g.ended);
        gunzip_done(&g);
    }
}

TEST(several_behind_each_other_are_one)
{
    AUTO(buf) struct buf in = squeeze(text, sizeof text - 1), out = BUF_INIT(1000);
    struct gunzip g = {.begun = false};
    for (int i = 0; i < 2; i++) {
        CHECK_INT(add(&g, in.data, in.len, &out), OK);
        CHECK(g.ended);
    }
    CHECK_INT(out.len, 2 * (sizeof text - 1));
    CHECK_INT(add(&g, in.data, 1, &out), OK);
    CHECK(!g.ended);
    gunzip_done(&g);
}

TEST(what_is_no_gzip_or_damaged_is_refused)
{
    AUTO(buf) struct buf in = squeeze(text, sizeof text - 1), out = BUF_INIT(1000);
    struct gunzip g = {.begun = false};
    struct err err;
    CHECK_INT(gunzip_add(&g, (struct span){text, 4}, &out, &err), ERR_INVALID);
    CHECK_STR(err.text, "the page is no sound gzip: incorrect header check");
    gunzip_done(&g);
    in.data[in.len - 8] ^= 1;
    CHECK_INT(gunzip_add(&g, (struct span){in.data, in.len}, &out, &err), ERR_INVALID);
    CHECK_STR(err.text, "the page is no sound gzip: incorrect data check");
    gunzip_done(&g);
}

TEST(no_more_is_unpacked_than_there_is_room_for)
{
    enum { LEN = 100000 };
    static char zeros[LEN];
    AUTO(buf) struct buf in = squeeze(zeros, LEN);
    for (size_t max = LEN - 1; max <= LEN; max++) {
        AUTO(buf) struct buf out = BUF_INIT(max);
        struct gunzip g = {.begun = false};
        CHECK_INT(add(&g, in.data, in.len, &out), max < LEN ? ERR_LIMIT : OK);
        CHECK(out.len <= max);
        gunzip_done(&g);
    }
}
