/* SPDX-License-Identifier: Apache-2.0 */
/* What was compressed is what comes out again, whatever it was; equal input gives equal bytes. */
#include "compress.h"
#include "mem.h"
#include "test.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#define MOST 300000

static char from[MOST], back[MOST + 1];

/* One frame, and nothing behind it; it tells its size in front. */
static size_t expand_lz4(struct span s)
{
    LZ4F_dctx *d;
    LZ4F_frameInfo_t info;
    size_t len = sizeof back, used = s.len, head = s.len;
    CHECK(!LZ4F_isError(LZ4F_createDecompressionContext(&d, LZ4F_VERSION)));
    CHECK(!LZ4F_isError(LZ4F_getFrameInfo(d, &info, s.data, &head)));
    used -= head;
    CHECK_INT(LZ4F_decompress(d, back, &len, s.data + head, &used, NULL), 0);
    CHECK_INT(head + used, s.len);
    CHECK_INT(info.contentSize, len);
    LZ4F_freeDecompressionContext(d);
    return len;
}

static size_t expand(enum compression how, struct span s)
{
    size_t len = sizeof back;
    if (how == COMPRESS_LZ4)
        return expand_lz4(s);
    if (how == COMPRESS_SNAPPY)
        return snappy_uncompress(s.data, s.len, back, &len) == SNAPPY_OK ? len : SIZE_MAX;
    if (how == COMPRESS_ZSTD) {
        CHECK_INT(ZSTD_findFrameCompressedSize(s.data, s.len), s.len);
        CHECK(ZSTD_getFrameContentSize(s.data, s.len) < ZSTD_CONTENTSIZE_ERROR);
        return ZSTD_decompress(back, sizeof back, s.data, s.len);
    }
    z_stream z = {.next_in = (Bytef *)s.data,
                  .avail_in = (uInt)s.len,
                  .next_out = (Bytef *)back,
                  .avail_out = sizeof back};
    CHECK_INT(inflateInit2(&z, 15 + 16), Z_OK);
    CHECK_INT(inflate(&z, Z_FINISH), Z_STREAM_END);
    CHECK_INT(inflateEnd(&z), Z_OK);
    CHECK_INT(z.avail_in, 0);
    return sizeof back - z.avail_out;
}

static void check(enum compression how, struct compressor *c, size_t len)
{
    AUTO(buf) struct buf out = BUF_INIT(compress_max(how, len));
    AUTO(buf) struct buf again = BUF_INIT(compress_max(how, len) + 100);
    AUTO(buf) struct buf small = BUF_INIT(compress_max(how, len) - 1);
    struct span in = {from, len};
    CHECK_INT(compress_message(c, in, &out), OK);
    CHECK_INT(expand(how, (struct span){out.data, out.len}), len);
    CHECK(memcmp(back, from, len) == 0);
    CHECK_INT(compress_message(c, in, &again), OK);
    CHECK(again.len == out.len && memcmp(again.data, out.data, out.len) == 0);
    CHECK_INT(compress_message(c, in, &small), ERR_LIMIT);
}

static void check_all(enum compression how)
{
    static const size_t lengths[] = {0, 1, 100, 65536, MOST};
    struct compressor *c = compressor_new(how);
    uint64_t random = 88172645463325252;
    for (int words = 0; words < 2; words++) {
        for (size_t i = 0; i < MOST; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            from[i] = words ? "abcd"[random & 3] : (char)random; /* that does not compress */
        }
        for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
            check(how, c, lengths[i]);
    }
    compressor_free(c);
}

TEST(gzip_comes_out_again)
{
    check_all(COMPRESS_GZIP);
}

TEST(zstd_comes_out_again)
{
    check_all(COMPRESS_ZSTD);
}

TEST(lz4_comes_out_again)
{
    check_all(COMPRESS_LZ4);
}

TEST(snappy_comes_out_again)
{
    check_all(COMPRESS_SNAPPY);
}

TEST(snappy_needs_no_compressor)
{
    struct compressor *c = compressor_new(COMPRESS_SNAPPY);
    AUTO(buf) struct buf one = BUF_INIT(1000), two = BUF_INIT(1000), small = BUF_INIT(1);
    struct span in = {"abcabcabcabcabcabc", 18};
    CHECK_INT(compress_message(c, in, &one), OK);
    CHECK_INT(compress_snappy(in, &two), OK);
    CHECK(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
    CHECK_INT(compress_snappy(in, &small), ERR_LIMIT);
    compressor_free(c);
}

TEST(what_its_encoder_has_compressed_goes_as_it_is)
{
    static const char *const own[] = {"X-Other: 1", "content-encoding: snappy", NULL};
    static const char *const other[] = {"X-Other: 1", NULL};
    struct compressor *c = compressor_new(COMPRESS_LZ4);
    AUTO_PTR(payload) struct payload *p = payload_new("target", 1000);
    AUTO(buf) struct buf small = BUF_INIT(0);
    struct span body;
    memset(from, 'x', 500);
    CHECK_INT(buf_add(&p->body, from, 500), OK);
    p->headers = own;
    CHECK(!compress_payload(c, p, &small, &body));
    CHECK(body.data == p->body.data && body.len == 500);
    p->headers = other;
    CHECK(!compress_payload(NULL, p, &small, &body));
    CHECK(body.data == p->body.data && body.len == 500);
    CHECK(compress_payload(c, p, &small, &body));
    CHECK(body.data == small.data && body.len < 100);
    CHECK_INT(expand(COMPRESS_LZ4, body), 500);
    CHECK(memcmp(back, p->body.data, 500) == 0);
    compressor_free(c);
}

TEST(what_would_not_become_smaller_goes_as_it_is)
{
    struct compressor *c = compressor_new(COMPRESS_LZ4);
    AUTO_PTR(payload) struct payload *p = payload_new("target", 1000);
    AUTO(buf) struct buf small = BUF_INIT(0);
    CHECK_INT(buf_puts(&p->body, "abcdefgh"), OK);
    struct compress_body body = compress_smaller(c, p, &small);
    CHECK(body.bytes.data == p->body.data && body.bytes.len == 8 && !body.encoding);
    memset(from, 'x', 500);
    CHECK_INT(buf_add(&p->body, from, 500), OK);
    body = compress_smaller(c, p, &small);
    CHECK_STR(body.encoding, "lz4");
    CHECK(body.bytes.data == small.data && body.bytes.len < 100);
    body = compress_smaller(NULL, p, &small);
    CHECK(body.bytes.data == p->body.data && body.bytes.len == 508 && !body.encoding);
    compressor_free(c);
}

TEST(the_names_are_those_of_the_settings_and_of_http)
{
    CHECK_STR(compress_names[COMPRESS_NONE], "none");
    CHECK_STR(compress_names[COMPRESS_GZIP], "gzip");
    CHECK_STR(compress_names[COMPRESS_ZSTD], "zstd");
    CHECK_STR(compress_names[COMPRESS_LZ4], "lz4");
    CHECK_STR(compress_names[COMPRESS_SNAPPY], "snappy");
    CHECK(!compress_names[COMPRESS_SNAPPY + 1]);
    for (size_t i = 0; compress_names[i]; i++) {
        struct compressor *c = compressor_new((enum compression)i);
        CHECK_INT(compress_named(compress_names[i]), i);
        CHECK_STR(c ? compressor_name(c) : "none", compress_names[i]);
        compressor_free(c);
    }
}

TEST(frames_of_zstd_are_made_what_they_were_and_anything_else_is_refused)
{
    struct compressor *c = compressor_new(COMPRESS_ZSTD);
    struct decompressor *d = decompressor_new();
    AUTO(buf) struct buf packed = BUF_INIT(compress_max(COMPRESS_ZSTD, MOST));
    AUTO(buf) struct buf out = BUF_INIT(1000);
    for (size_t len = 0; len <= 1001; len += 143) {
        CHECK_INT(compress_message(c, (struct span){from, len}, &packed), OK);
        struct span in = {packed.data, packed.len};
        CHECK_INT(decompress_message(d, in, &out), len > out.max ? ERR_LIMIT : OK);
        CHECK_INT(out.len, len > out.max ? 0 : len);
        CHECK(memcmp(out.data, from, out.len) == 0);
        in.len--;
        CHECK(decompress_message(d, in, &out) != OK);
        CHECK_INT(out.len, 0);
    }
    CHECK_INT(decompress_message(d, (struct span){"no frame", 8}, &out), ERR_INVALID);
    CHECK_INT(decompress_message(d, (struct span){"", 0}, &out), ERR_INVALID);
    compressor_free(c);
    decompressor_free(d);
}
