/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_spool_row.c - columns of any content are a payload that holds what others rely on, or refused. */
#include "spool.h"
#include "spool_row.h"

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {"prod/shop/a", "application/json",
                                  "A: b",        "\n",
                                  "metrics.x",   "\x01",
                                  "\x02",        "\x04",
                                  "\x08",        "\x10",
                                  "\xff",        "\x28\xb5\x2f\xfd",
                                  "\x20",        "{}",
                                  NULL};

static const uint8_t *at;
static size_t left;

static uint8_t take_byte(void)
{
    if (left == 0)
        return 0;
    left--;
    return *at++;
}

static struct span take_span(void)
{
    size_t n = take_byte();
    n = n < left ? n : left;
    struct span s = {n == 255 ? NULL : (const char *)at, n == 255 ? 0 : n};
    at += s.len;
    left -= s.len;
    return s;
}

static int64_t take_number(void)
{
    uint8_t b = take_byte();
    return b < 0xf0 ? b : b == 0xff ? INT64_MIN : INT64_MAX >> (b & 15) * 4;
}

static void check(const struct payload *p)
{
    const struct payload_marks *m = &p->marks;
    if (p->target_at >= p->key.len || strlen(p->key.data) != p->key.len ||
        strlen(p->address.data) != p->address.len || m->len > PAYLOAD_MARKS)
        abort();
    for (uint32_t i = 0; i < m->len; i++)
        if (m->at[i] >= p->body.len || (i > 0 && m->at[i] <= m->at[i - 1]))
            abort();
    for (size_t i = 0; p->headers && p->headers[i]; i++)
        if (!payload_header_split(p->headers[i]).value)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spool_kinds *kinds = spool_kinds_new();
    struct spool_scratch scratch = {0}, other = {0};
    at = data;
    left = size;
    for (int row = 0; row < 3; row++) {
        struct payload *p = payload_new("", 1 << 16);
        char id[16] = "0123456789abcde";
        struct spool_columns c = {.id = {id, take_byte() == 1 ? 3 : sizeof id}};
        struct payload *made = payload_new("x", 1 << 16);
        c.key = take_span();
        c.address = take_span();
        c.marks = take_span();
        struct span body = take_span();
        c.content_type = take_span();
        c.headers = take_span();
        if (buf_add(&made->key, "", 0) != OK || buf_add(&made->body, body.data, body.len) != OK)
            abort();
        buf_truncate(&made->key, 0);
        if (buf_add(&made->key, c.key.data, c.key.len) != OK ||
            buf_add(&made->address, c.address.data, c.address.len) != OK)
            abort();
        for (size_t i = 0; i + 4 <= c.marks.len && i < (size_t)PAYLOAD_MARKS * 4; i += 4) {
            uint32_t mark;
            memcpy(&mark, c.marks.data + i, sizeof mark);
            payload_keep_mark(made, mark);
        }
        struct spool_columns good;
        if (spool_row_make(made, &other, &good) != OK)
            abort();
        c.sum = take_byte() == 7 ? take_number() : good.sum; /* most shall come as far as that */
        c.body = take_byte() == 7 ? take_span() : good.body;
        c.bytes = take_byte() == 7 ? take_number() : good.bytes;
        c.seq = take_number();
        c.due_ms = take_number();
        c.scraped_ms = take_number();
        c.sent_ms = take_number();
        c.part = take_number();
        c.target_at = take_number();
        c.samples = take_number();
        c.stride = take_number();
        c.records = take_byte() == 7 ? take_number() : c.samples;
        if (spool_row_restore(&c, kinds, &scratch, p, NULL) == OK)
            check(p);
        payload_free(p);
        payload_free(made);
    }
    spool_kinds_free(kinds);
    spool_scratch_done(&scratch);
    spool_scratch_done(&other);
    return 0;
}
