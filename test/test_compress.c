/* SPDX-License-Identifier: Apache-2.0 */
/* What was compressed is what comes out again, whatever it was; equal input gives equal bytes. */
#include "compress.h"
#include "mem.h"
#include "test.h"

#include <zlib.h>
#include <zstd.h>

#define MOST 300000

static char from[MOST], back[MOST + 1];

static size_t expand(enum compression how, struct span s)
{
    if (how == COMPRESS_ZSTD)
        return ZSTD_decompress(back, sizeof back, s.data, s.len);
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

TEST(the_names_are_those_of_the_settings_and_of_http)
{
    CHECK_STR(compress_names[COMPRESS_NONE], "none");
    CHECK_STR(compress_names[COMPRESS_GZIP], "gzip");
    CHECK_STR(compress_names[COMPRESS_ZSTD], "zstd");
    CHECK(!compress_names[COMPRESS_ZSTD + 1]);
    compressor_free(NULL);
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
