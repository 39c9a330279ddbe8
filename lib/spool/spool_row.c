/* SPDX-License-Identifier: Apache-2.0 */
/* spool_row.c - what is written of a payload, and what is believed of it when it is read. */
#include "spool_row.h"

#include "clock.h"
#include "hash.h"
#include "mem.h"
#include "spool.h"

#include <endian.h>

struct spool_kinds *spool_kinds_new(void)
{
    return mem_alloc(sizeof(struct spool_kinds));
}

static void free_kind(struct spool_kind *k)
{
    mem_free(k->content_type);
    mem_free(k->headers);
    mem_free(k->pointers);
    mem_free((char *)k->text.data);
}

void spool_kinds_free(struct spool_kinds *k)
{
    for (size_t i = 0; k && i < k->len; i++)
        free_kind(&k->items[i]);
    if (k)
        mem_free(k->items);
    mem_free(k);
}

void spool_scratch_done(struct spool_scratch *s)
{
    compressor_free(s->compressor);
    decompressor_free(s->decompressor);
    buf_done(&s->body);
    buf_done(&s->headers);
    *s = (struct spool_scratch){0};
}

/* Of all that a message carries; the rest is in the id, or is checked by itself. */
static int64_t find_sum(struct span key, struct span address, struct span marks, struct span body)
{
    struct span pieces[] = {key, address, marks, body};
    uint64_t high, low;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        if (pieces[i].len == 0)
            pieces[i].data = ""; /* SQLite has NULL for it */
    hash_pieces(pieces, ARRAY_LEN(pieces), &high, &low);
    return (int64_t)low;
}

static struct span of_buf(const struct buf *b)
{
    return (struct span){b->data, b->len};
}

static enum status add_headers(const struct payload *p, struct buf *out)
{
    enum status r = OK;
    *out = out->data ? *out : (struct buf)BUF_INIT(SPOOL_HEADERS_MAX);
    buf_truncate(out, 0);
    for (size_t i = 0; p->headers[i] && r == OK; i++)
        r = i < SPOOL_HEADER_LINES ? buf_cat(out, i ? "\n" : "", p->headers[i], NULL) : ERR_LIMIT;
    return r;
}

static void put_id(struct payload_id id, unsigned char out[16])
{
    uint64_t numbers[] = {htobe64(id.high), htobe64(id.low)};
    memcpy(out, numbers, sizeof numbers);
}

static size_t put_marks(const struct payload_marks *m, unsigned char *out)
{
    for (uint32_t i = 0; i < m->len; i++) {
        uint32_t at = htole32(m->at[i]);
        memcpy(out + 4 * i, &at, sizeof at);
    }
    return 4 * (size_t)m->len;
}

int64_t spool_sent_ms(const struct payload *p)
{
    if (!p->unknown)
        return 0;
    int64_t ms = clock_wall_ms();
    if (p->first_sent_ns != 0)
        ms -= (clock_mono_ns() - p->first_sent_ns) / MS_NS;
    return ms > 0 ? ms : 1;
}

enum status spool_row_make(const struct payload *p, struct spool_scratch *s,
                           struct spool_columns *ret)
{
    struct spool_columns c = {.seq = p->seq,
                              .due_ms = p->due_ms,
                              .scraped_ms = p->scraped_ms,
                              .sent_ms = spool_sent_ms(p),
                              .part = p->part,
                              .target_at = (int64_t)p->target_at,
                              .samples = (int64_t)p->samples,
                              .stride = p->marks.stride,
                              .records = p->marks.records,
                              .bytes = (int64_t)p->body.len,
                              .key = of_buf(&p->key),
                              .address = of_buf(&p->address)};
    if (p->content_type)
        c.content_type = (struct span){p->content_type, strlen(p->content_type)};
    if (p->headers && p->headers[0]) {
        if (add_headers(p, &s->headers) != OK)
            return ERR_LIMIT;
        c.headers = of_buf(&s->headers);
    }
    put_id(p->id, s->id);
    c.id = (struct span){(const char *)s->id, sizeof s->id};
    c.marks = (struct span){(const char *)s->marks, put_marks(&p->marks, s->marks)};
    c.sum = find_sum(c.key, c.address, c.marks, of_buf(&p->body));
    if (!s->compressor)
        s->compressor = compressor_new(COMPRESS_ZSTD);
    if (!s->body.data)
        s->body = (struct buf)BUF_INIT(0);
    s->body.max = compress_max(COMPRESS_ZSTD, p->body.len);
    if (s->body.len > s->body.max)
        buf_truncate(&s->body, 0);
    enum status r = compress_message(s->compressor, of_buf(&p->body), &s->body);
    c.body = of_buf(&s->body);
    *ret = c;
    return r;
}

static bool is_printable(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < ' ' || s.data[i] > '~')
            return false;
    return true;
}

/* "Name: value" */
static bool is_header(struct span line)
{
    const char *colon = memmem(line.data, line.len, ": ", 2);
    return colon && colon > line.data && is_printable(line) &&
           !memchr(line.data, ' ', (size_t)(colon - line.data));
}

/* Cuts text, which is the kind's own, into lines. */
static bool split_headers(struct spool_kind *k)
{
    size_t n = 0;
    k->pointers = mem_alloc((SPOOL_HEADER_LINES + 1) * sizeof *k->pointers);
    for (char *line = k->headers, *end; line; line = end) {
        end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        if (n == SPOOL_HEADER_LINES || !is_header((struct span){line, strlen(line)}))
            return false;
        k->pointers[n++] = line;
    }
    return true;
}

static bool is_same(struct span a, struct span b)
{
    return a.len == b.len && !a.data == !b.data && (!a.len || memcmp(a.data, b.data, a.len) == 0);
}

static bool is_kind(const struct spool_kind *k, const struct spool_columns *c)
{
    struct span type = {k->content_type, k->content_type ? strlen(k->content_type) : 0};
    return is_same(type, c->content_type) && is_same(k->text, c->headers);
}

static const struct spool_kind *find_kind(struct spool_kinds *kinds, const struct spool_columns *c)
{
    for (size_t i = 0; i < kinds->len; i++)
        if (is_kind(&kinds->items[i], c))
            return &kinds->items[i];
    if (kinds->len == SPOOL_KINDS_MAX || c->content_type.len >= SPOOL_CONTENT_MAX ||
        !is_printable(c->content_type) || c->headers.len > SPOOL_HEADERS_MAX ||
        (c->headers.data && memchr(c->headers.data, '\0', c->headers.len)))
        return NULL;
    if (!kinds->items)
        kinds->items = mem_alloc(SPOOL_KINDS_MAX * sizeof *kinds->items);
    struct spool_kind *k = &kinds->items[kinds->len++];
    *k = (struct spool_kind){0};
    if (c->content_type.data)
        k->content_type = mem_strndup(c->content_type.data, c->content_type.len);
    if (!c->headers.data)
        return k;
    k->text = (struct span){mem_strndup(c->headers.data, c->headers.len), c->headers.len};
    k->headers = mem_strndup(c->headers.data, c->headers.len);
    if (split_headers(k))
        return k;
    free_kind(k);
    kinds->len--;
    return NULL;
}

/* Where records begin: each behind the one before. */
static bool take_marks(const struct spool_columns *c, struct payload *p)
{
    size_t n = c->marks.len / 4;
    uint32_t before = 0;
    bool power = c->stride > 0 && c->stride <= INT64_C(1) << 31 && !(c->stride & (c->stride - 1));
    if (c->marks.len % 4 != 0 || n > PAYLOAD_MARKS || !power || c->records < 0 ||
        c->records > UINT32_MAX)
        return false;
    /* pieces are counted by their records */
    if (n > 0 && (c->records != c->samples || c->records <= (int64_t)(n - 1) * c->stride ||
                  c->records > (int64_t)n * c->stride))
        return false;
    for (size_t i = 0; i < n; i++) {
        uint32_t at;
        memcpy(&at, c->marks.data + 4 * i, sizeof at);
        at = le32toh(at);
        if (i > 0 && at <= before)
            return false;
        payload_keep_mark(p, at);
        before = at;
    }
    p->marks.stride = (uint32_t)c->stride;
    p->marks.records = (uint32_t)c->records;
    return true;
}

/* Texts that others take for strings have no NUL. */
static bool take_names(const struct spool_columns *c, struct payload *p)
{
    if (c->key.len == 0 || memchr(c->key.data, '\0', c->key.len) ||
        (c->address.len > 0 && memchr(c->address.data, '\0', c->address.len)) || c->target_at < 0 ||
        c->target_at >= (int64_t)c->key.len)
        return false;
    buf_truncate(&p->key, 0);
    p->target_at = (size_t)c->target_at;
    return buf_add(&p->key, c->key.data, c->key.len) == OK &&
           buf_add(&p->address, c->address.len ? c->address.data : "", c->address.len) == OK;
}

static bool is_time(int64_t ms)
{
    return ms >= CLOCK_MIN_MS && ms <= CLOCK_MAX_MS;
}

static bool take_numbers(const struct spool_columns *c, struct payload *p)
{
    if (c->id.len != 16 || c->part < 0 || c->part > UINT32_MAX || c->samples < 0 ||
        c->samples > UINT32_MAX || c->bytes < 0 || !is_time(c->due_ms) || !is_time(c->scraped_ms))
        return false;
    uint64_t id[2];
    memcpy(id, c->id.data, sizeof id);
    p->id = (struct payload_id){be64toh(id[0]), be64toh(id[1])};
    p->seq = c->seq;
    p->due_ms = c->due_ms;
    p->scraped_ms = c->scraped_ms;
    p->part = (uint32_t)c->part;
    p->samples = (size_t)c->samples;
    return true;
}

static void take_sent(int64_t sent_ms, struct payload *p)
{
    int64_t now_ms = clock_wall_ms(), now_ns = clock_mono_ns();
    int64_t age_ms = sent_ms > 0 && sent_ms < now_ms ? now_ms - sent_ms : 0;
    if (age_ms > INT64_MAX / MS_NS / 2)
        age_ms = INT64_MAX / MS_NS / 2;
    p->unknown = sent_ms != 0;
    p->first_sent_ns = p->unknown ? now_ns - age_ms * MS_NS : 0;
    if (p->unknown && p->first_sent_ns == 0)
        p->first_sent_ns = -1;
}

static enum status take_body(const struct spool_columns *c, struct spool_scratch *s,
                             struct payload *p, struct err *err)
{
    if ((uint64_t)c->bytes > p->body.max)
        return err_set(err, ERR_LIMIT, "a body of %lld bytes is longer than is restored",
                       (long long)c->bytes);
    if (!s->decompressor)
        s->decompressor = decompressor_new();
    if (c->body.len == 0 || decompress_message(s->decompressor, c->body, &p->body) != OK ||
        p->body.len != (size_t)c->bytes)
        return err_set(err, ERR_DENIED, "a body is not what was written");
    if (find_sum(of_buf(&p->key), of_buf(&p->address), c->marks, of_buf(&p->body)) != c->sum)
        return err_set(err, ERR_DENIED, "a row is not what was written");
    return OK;
}

enum status spool_row_restore(const struct spool_columns *c, struct spool_kinds *kinds,
                              struct spool_scratch *s, struct payload *p, struct err *err)
{
    if (!take_numbers(c, p) || !take_names(c, p) || !take_marks(c, p))
        return err_set(err, ERR_DENIED, "a row is no payload");
    const struct spool_kind *k = find_kind(kinds, c);
    if (!k)
        return err_set(err, ERR_DENIED, "a row has no such content type or headers");
    p->content_type = k->content_type;
    p->headers = k->pointers;
    take_sent(c->sent_ms, p);
    enum status r = take_body(c, s, p, err);
    if (r == OK && p->marks.len > 0 && p->marks.at[p->marks.len - 1] >= compress_content(p))
        return err_set(err, ERR_DENIED, "a row is no payload");
    return r;
}
