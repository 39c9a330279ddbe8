/* SPDX-License-Identifier: Apache-2.0 */
/* remote_write_v1.c - messages of version 1.0, written as snappy's elements at once
 * (docs/internals/SNAPPY.md).
 *
 * What a receiver is sent is one block of snappy.  Of a record nearly all is as in the one before, and
 * what of its labels is not is worked out once for the two series: a script, which is the constant
 * part.  So labels are neither kept nor written, and nothing is searched for.
 *
 *     0a LEN labels 12 10 09 VALUE--- 10 TIME------- 0a LEN labels 12 10 09 VALUE--- 10 TIME-------
 *            |script|                                       |script|
 *     ...copy| ...  |copy.........|xxxxx|copy of the end and of the next's start.....
 *
 * The end of a record is owed until the next one is there: one copy may take both.
 *
 * The message is written behind its state, in the buffer in which it lies before finish, which only
 * puts its length in front.  What is written depends on the records of the message alone: who scrapes
 * the same writes the same, whatever it has seen before.  */
#include "remote_write.h"

#include "compress.h"
#include "repeats.h"
#include "snappy_out.h"

/* A constant part: pieces are behind it, and behind these all their literals. */
struct head {
    uint64_t own;    /* number of these labels */
    uint64_t before; /* of those the script goes behind; 0: there is none */
    uint32_t len;    /* of the labels, when written */
    uint16_t prefix; /* bytes that they begin with as those before */
    uint16_t pieces; /* at least 1 where there is a script */
};

/* Some literals, and a copy; the last one goes on to the value. */
struct piece {
    uint16_t literals, len;
    int16_t more; /* of the copy's distance, than from labels to labels */
};

enum {
    MIDDLE = 3, /* bytes between labels and value, */
    TAIL = 7,   /* and behind it, when the time has as many as it has from 2004 to 2109 */
    SAMPLE = MIDDLE + 8 + TAIL,
    FAR = 57344, /* the longest record that one is copied from */
    SHORT = 3,   /* no prefix is less */
    SLACK = 64,  /* for a record that is written and then does not fit */
};
_Static_assert(FAR + REPEATS_TEXT + 8 <= SNAPPY_OUT_FAR, "a script's distances can be said");

/* In front of the message, before finish. */
struct state {
    size_t plain, plain_max; /* bytes of content, and the most */
    size_t max;              /* of the block, without its length */

    /* The record before. */
    uint64_t number;             /* of its labels; 0: no script goes behind it */
    const struct series *series; /* whose it is */
    size_t len;
    size_t start;  /* of it: bytes in front of its labels */
    size_t labels; /* bytes of these */
    size_t inner;  /* what stands in front of them: bytes of the rest */
    size_t owed;   /* bytes of its end that are as those so far in front as it is long */
    uint64_t bits;
    int64_t ts_ms;
    bool exemplar; /* it has one */
};

static struct state *state_of(const struct message *m)
{
    return (struct state *)(void *)m->out->data;
}

static size_t label_len(size_t name_len, size_t value_len)
{
    return 2 + varint_len(name_len) + name_len + varint_len(value_len) + value_len;
}

static size_t field_len(size_t name_len, size_t value_len)
{
    size_t len = label_len(name_len, value_len);
    return 1 + varint_len(len) + len;
}

static char *put_label(char *p, const char *name, const char *value)
{
    size_t name_len = strlen(name), value_len = strlen(value);
    *p++ = WIRE_BYTES(1);
    p = varint_put(p, label_len(name_len, value_len));
    p = put_text(p, WIRE_BYTES(1), name, name_len);
    return put_text(p, WIRE_BYTES(2), value, value_len);
}

/* Sorted, the name among them. */
static char *put_labels(char *p, const struct series *s)
{
    bool named = false;
    for (struct label l = series_first(s);; l = series_next(s, l)) {
        if (!named && (!l.name || strcmp(l.name, NAME) > 0)) {
            p = put_label(p, NAME, series_name(s));
            named = true;
        }
        if (!l.name)
            return p;
        p = put_label(p, l.name, l.value);
    }
}

/* ERR_INVALID: a label takes the name's place. */
enum status v1_constant(const struct series *s, struct buf *out)
{
    size_t len = field_len(strlen(NAME), strlen(series_name(s)));
    for (struct label l = series_first(s); l.name; l = series_next(s, l)) {
        if (strcmp(l.name, NAME) == 0)
            return ERR_INVALID;
        len += field_len(strlen(l.name), strlen(l.value));
    }
    struct head head = {.own = lz4_script_number(), .len = (uint32_t)len};
    return buf_add(out, &head, sizeof head);
}

/* What repeats found, as pieces and literals. */
static size_t write_script(const struct repeats *r, struct span before, struct span labels,
                           struct head *head, char *out)
{
    struct piece pieces[REPEATS_MAX + 1];
    char literals[REPEATS_TEXT], *p = literals;
    size_t from = head->prefix;
    for (unsigned i = 0; i <= r->len; i++) {
        struct repeat last = {.at = (uint16_t)(labels.len - r->suffix),
                              .from = (uint16_t)(before.len - r->suffix),
                              .len = (uint16_t)(r->suffix + MIDDLE)};
        struct repeat of = i < r->len ? r->of[i] : last;
        size_t n = of.at - from;
        memcpy(p, labels.data + from, n);
        p += n;
        from = (size_t)of.at + of.len;
        pieces[i] = (struct piece){(uint16_t)n, of.len, (int16_t)(of.at - of.from)};
    }
    head->pieces = (uint16_t)(r->len + 1);
    size_t pieces_len = head->pieces * sizeof pieces[0], literals_len = (size_t)(p - literals);
    memcpy(out, head, sizeof *head);
    memcpy(out + sizeof *head, pieces, pieces_len);
    memcpy(out + sizeof *head + pieces_len, literals, literals_len);
    return sizeof *head + pieces_len + literals_len;
}

/* The script of s behind the record before becomes its part. */
static __attribute__((noinline)) void make_script(struct message *m, const struct series *s,
                                                  struct span constant)
{
    const struct state *z = state_of(m);
    char texts[2 * REPEATS_TEXT], part[sizeof(struct head) + 2 * REPEATS_TEXT];
    struct head head;
    struct repeats repeats;
    memcpy(&head, constant.data, sizeof head);
    put_labels(put_labels(texts, z->series), s);
    struct span before = {texts, z->labels}, labels = {texts + z->labels, head.len};
    repeats_find(&repeats, before, labels, 0);
    head.before = z->number;
    head.prefix = (uint16_t)(repeats.prefix < SHORT ? 0 : repeats.prefix);
    size_t len = write_script(&repeats, before, labels, &head, part);
    series_change_part((struct series *)(uintptr_t)s, m->lane, (struct span){part, len});
}

/* A record to be written. */
struct record {
    const struct series *series;
    const struct point *at;
    size_t start, inner, len, labels, exemplar;
    size_t owed; /* see state */
};

static size_t exemplar_len(const struct point *at)
{
    size_t len = DOUBLE_BYTES + number_len(exemplar_ms(at));
    for (struct label l = exemplar_first(at->exemplar); l.name; l = exemplar_next(at->exemplar, l))
        len += field_len(strlen(l.name), strlen(l.value));
    return len;
}

/* Field 3 of a series. */
static char *put_exemplar(char *p, const struct record *r)
{
    *p++ = WIRE_BYTES(3);
    p = varint_put(p, r->exemplar);
    for (struct label l = exemplar_first(r->at->exemplar); l.name;
         l = exemplar_next(r->at->exemplar, l))
        p = put_label(p, l.name, l.value);
    return put_observed(p, r->at);
}

static inline size_t exemplar_field_len(const struct record *r)
{
    return r->exemplar ? 1 + varint_len(r->exemplar) + r->exemplar : 0;
}

/* Up to the labels, and what of these is as before. */
static inline char *put_start(const struct state *z, char *p, const struct record *r, size_t prefix)
{
    if (r->inner == z->inner)
        return snappy_copy(p, z->len, z->owed + r->start + prefix);
    bool low = r->start == 3 && z->start == 3 && r->inner >> 7 == z->inner >> 7 && prefix > 0;
    if (z->owed)
        p = snappy_copy(p, z->len, z->owed + 1);
    p = snappy_literal(p, (z->owed ? 0 : 1) + (low ? 1 : r->start - 1));
    if (!z->owed)
        *p++ = WIRE_BYTES(1);
    if (low)
        *p++ = (char)(r->inner | 0x80);
    else
        p = varint_put(p, r->inner);
    return snappy_copy(p, z->len + r->start - z->start, low + prefix);
}

/* The value and what is behind it; in front of it are len bytes that stand so far in front, of a
 * record with a value in the same place. */
static inline char *put_rest(const struct state *z, char *p, struct record *r, size_t distance,
                             size_t len)
{
    uint64_t bits = r->at->bits, other = bits ^ z->bits;
    size_t same = other ? (size_t)__builtin_ctzll(other) / 8 : 8;
    bool owing = r->at->ts_ms == z->ts_ms && !r->exemplar && !z->exemplar;
    if (owing && !other) {
        r->owed = len + 8 + TAIL; /* distance is the record's length */
        return p;
    }
    p = snappy_copy(p, distance, len + same);
    r->owed = owing ? (size_t)__builtin_clzll(other) / 8 + TAIL : 0;
    p = snappy_literal(p, 8 + TAIL - same - r->owed + exemplar_field_len(r));
    if (same < 8)
        p = put_bits(p, bits >> 8 * same) - same;
    if (owing)
        return p - (r->owed - TAIL);
    p = put_number(p, WIRE_VARINT(2), r->at->ts_ms);
    return r->exemplar ? put_exemplar(p, r) : p;
}

static inline char *put_scripted(const struct state *z, char *p, struct record *r,
                                 const struct head *head)
{
    const struct piece *piece = (const void *)(head + 1), *last = piece + head->pieces - 1;
    const char *literals = (const char *)(last + 1);
    size_t between = z->len + r->start - z->start;
    p = put_start(z, p, r, head->prefix);
    for (;; piece++) {
        if (piece->literals) {
            p = snappy_literal(p, piece->literals);
            memcpy(p, literals, piece->literals);
            p += piece->literals;
            literals += piece->literals;
        }
        size_t distance = between + (size_t)piece->more;
        if (piece == last)
            return put_rest(z, p, r, distance, piece->len);
        p = snappy_copy(p, distance, piece->len);
    }
}

static __attribute__((noinline)) char *put_literally(const struct state *z, char *p,
                                                     struct record *r)
{
    if (z->owed)
        p = snappy_copy(p, z->len, z->owed);
    p = snappy_literal(p, r->len);
    *p++ = WIRE_BYTES(1);
    p = varint_put(p, r->inner);
    p = put_sample(put_labels(p, r->series), r->at);
    r->owed = 0;
    return r->exemplar ? put_exemplar(p, r) : p;
}

/* The script that goes behind the record before; NULL: none does. */
static inline const struct head *find_script(struct message *m, const struct record *r,
                                             struct span constant)
{
    const struct state *z = state_of(m);
    const struct head *head = (const void *)constant.data;
    if (z->number == 0 || number_len(r->at->ts_ms) != TAIL || r->labels > REPEATS_TEXT)
        return NULL;
    if (head->before == z->number)
        return head;
    make_script(m, r->series, constant);
    return (const void *)series_part(r->series, m->lane).data;
}

/* It was written, and is the one before the next. */
static inline void put_behind(struct state *z, const struct record *r, uint64_t number)
{
    bool usual = number_len(r->at->ts_ms) == TAIL && r->labels <= REPEATS_TEXT && r->len <= FAR;
    z->plain += r->len;
    z->number = usual ? number : 0;
    z->series = r->series;
    z->len = r->len;
    z->start = r->start;
    z->labels = r->labels;
    z->inner = r->inner;
    z->owed = r->owed;
    z->bits = r->at->bits;
    z->ts_ms = r->at->ts_ms;
    z->exemplar = r->exemplar > 0;
}

enum status v1_append(struct message *m, const struct series *s, const struct point *at,
                      struct span constant)
{
    const struct head *head = (const void *)constant.data;
    uint64_t number = head->own;
    struct state *z = state_of(m);
    struct record r = {.series = s, .at = at, .labels = head->len};
    r.exemplar = at->exemplar ? exemplar_len(at) : 0;
    r.inner = r.labels + 2 + sample_len(at) + exemplar_field_len(&r);
    r.start = 1 + varint_len(r.inner);
    r.len = r.start + r.inner;
    if (r.len > z->plain_max - z->plain)
        return ERR_LIMIT;
    char *p = buf_room(m->out, r.len + r.len / 6 + snappy_copy_max(z->owed) + 32);
    if (!p)
        return ERR_LIMIT;
    z = state_of(m);
    head = find_script(m, &r, constant);
    char *end = head ? put_scripted(z, p, &r, head) : put_literally(z, p, &r);
    size_t bytes = (size_t)(end - m->out->data) - sizeof *z;
    if (bytes + snappy_copy_max(r.owed) > z->max)
        return ERR_LIMIT;
    buf_used(m->out, (size_t)(end - p));
    put_behind(z, &r, number);
    return OK;
}

/* The bound as it is without scripts: no block is longer than snappy's own of the same content. */
size_t v1_content_max(size_t max)
{
    size_t len = max / 7 * 6;
    while (len > 0 && compress_max(COMPRESS_SNAPPY, len) > max)
        len--;
    return len;
}

size_t v1_finish_max(size_t max)
{
    return sizeof(struct state) + max + SLACK;
}

enum status v1_begin(struct message *m)
{
    size_t rest = m->out->max - m->out->len;
    struct state z = {.number = 0};
    if (rest < v1_finish_max(0))
        return ERR_LIMIT;
    z.max = rest - v1_finish_max(0);
    z.plain_max = v1_content_max(z.max);
    z.max -= z.max < SNAPPY_OUT_ROOM ? z.max : SNAPPY_OUT_ROOM;
    return buf_add(m->out, &z, sizeof z);
}

void v1_finish(struct span in, struct buf *out)
{
    const struct state *z = (const void *)in.data;
    size_t len = in.len - sizeof *z;
    char *p = buf_room(out, SNAPPY_OUT_ROOM + len + snappy_copy_max(z->owed));
    if (!p)
        abort(); /* cannot be: append has counted them */
    char *end = varint_put(p, z->plain);
    memcpy(end, in.data + sizeof *z, len);
    end += len;
    if (z->owed)
        end = snappy_copy(end, z->len, z->owed);
    buf_used(out, (size_t)(end - p));
}
