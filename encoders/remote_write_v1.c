/* SPDX-License-Identifier: Apache-2.0 */
/* remote_write_v1.c - messages of version 1.0, written as snappy's elements at once
 * (docs/internals/SNAPPY.md).
 *
 * What a receiver is sent is one block of snappy.  Of a record nearly all stands in some of those
 * before it, and where its labels do is worked out once for these series in a row: a script, which is
 * the constant part.  So labels are neither kept nor written, and nothing is searched for.
 *
 *     0a LEN labels 12 10 09 VALUE--- 10 TIME------- 0a LEN labels 12 10 09 VALUE--- 10 TIME-------
 *            |script|                                       |script|
 *     ...copy| ...  |copy.........|xxxxx|copy of the end and of the next's start.....
 *
 * The end of a record waits for the next one: a copy may take both.
 *
 * The message is written behind its state, in the buffer in which it lies before finish, which only
 * puts its length in front.  What is written depends on the records of the message alone: who scrapes
 * the same writes the same, whatever it has seen before.  */
#include "remote_write.h"

#include "hash.h"
#include "repeats.h"
#include "snappy_out.h"

/* A constant part: pieces are behind it, and behind these all their literals. */
struct head {
    uint64_t own;    /* number of these labels */
    uint64_t before; /* says which labels the script goes behind; 0: there is none */
    uint32_t len;    /* of the labels, when written */
    uint16_t prefix; /* bytes that they begin with as those of the record so many before */
    uint8_t back;
    uint8_t pieces; /* 0: there is no script, or before is not 0 and it would be too long */
};

/* Some literals, and a copy; the last one goes on to the value. */
struct piece {
    uint16_t len;
    int16_t more; /* of the copy's distance, than from labels to labels */
    uint8_t literals;
    uint8_t back; /* the record that is copied from */
};

enum {
    MIDDLE = 3, /* bytes between labels and value, */
    TAIL = 7,   /* and behind it, when the time has as many as it has from 1971 to 2109 */
    ROW = REPEATS_TEXTS,
    LONGEST = 1024, /* labels that are copied from or have a script */
    KEPT = 512,     /* bytes of the longest script */
    FAR = 57344,    /* how far back the records may reach that are copied from */
    SHORT = 3,      /* no prefix is less */
    PLACES = 2 * ROW,
    WINDOW = 2 * ROW * LONGEST, /* bytes of labels that are searched in, */
    WINDOW_TEXTS = 4 * ROW,
    PIECES = REPEATS_MAX + LONGEST / UINT8_MAX + 2,
    CONTENT = 4, /* times as many bytes as the block may have */
    SLACK = 128, /* for a record that is written and then does not fit */
};
_Static_assert(FAR + 2 * LONGEST <= SNAPPY_OUT_FAR, "a script's distances can be said");
_Static_assert(PIECES <= UINT8_MAX, "they are counted");

#define TURN UINT64_C(0x9e3779b97f4a7c15) /* odd; see state.row */

/* Where a record is. */
struct place {
    uint64_t own;                /* number of its labels; 0: they are not copied from */
    const struct series *series; /* whose it is */
    size_t start, at;            /* in the content: it, and its labels */
    size_t inner;                /* what stands in front of them: bytes of the rest */
    uint64_t bits;
    int64_t ts_ms;
    bool usual; /* nothing is behind its time, which has the usual length */
};

/* Of the last record, what is not written: a copy that ends `same` bytes behind the start of its value,
 * the rest of that, and what is behind it. */
struct wait {
    size_t distance, len, same; /* len 0: all is written */
};

/* In front of the message, before finish. */
struct state {
    size_t plain, plain_max; /* bytes of content, and the most */
    size_t max;              /* of the block, without its length */

    struct place places[PLACES];
    size_t records; /* so far */
    uint64_t
        row; /* says which labels the last ROW records have: the sum of their numbers, each times
                     one power of TURN more than the next */
    uint64_t out_of_row; /* that power of the one that leaves it */

    struct wait wait;

    struct repeats window;
    size_t window_records; /* when it was added to last */
    char data[WINDOW];
    uint16_t before[WINDOW];
};

static struct state *state_of(const struct message *m)
{
    return (struct state *)(void *)m->out->data;
}

/* The record so many before the next; there are as many, and PLACES at most are known. */
static inline struct place *place_of(struct state *z, size_t back)
{
    return &z->places[(z->records - back) % PLACES];
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

/* Never the same within a page, and so within a message; never 0; nobody can tell it before, so nobody can
 * write a page of which two rows of labels would have equal sums. */
static uint64_t new_number(struct texts *t)
{
    uint64_t salt = hash_salt(), n = 0;
    while (n == 0) {
        n = texts_number(t) * TURN ^ salt;
        n = (n ^ n >> 32) * UINT64_C(0xd6e8feb86659fd93);
        n ^= n >> 32;
    }
    return n;
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
    struct head head = {.own = new_number(s->family->texts), .len = (uint32_t)len};
    return buf_add(out, &head, sizeof head);
}

/* A part under way. */
struct script {
    struct head head;
    struct piece pieces[PIECES];
    char literals[LONGEST];
    size_t len; /* of these */
};

/* The literals that a record has in front of what it repeats, and that. */
static void add_piece(struct script *s, struct span literals, struct repeat r)
{
    memcpy(s->literals + s->len, literals.data, literals.len);
    s->len += literals.len;
    for (; literals.len > UINT8_MAX; literals.len -= UINT8_MAX)
        s->pieces[s->head.pieces++] = (struct piece){.literals = UINT8_MAX, .back = r.back};
    s->pieces[s->head.pieces++] = (struct piece){
        .len = r.len,
        .more = (int16_t)(r.at - r.from),
        .literals = (uint8_t)literals.len,
        .back = r.back,
    };
}

static bool add_text(struct state *z, const struct place *p)
{
    char text[LONGEST];
    size_t len = p->own ? (size_t)(put_labels(text, p->series) - text) : 0;
    return repeats_add(&z->window, (struct span){text, len});
}

/* The window has the labels of the last ROW records. */
static void fill_window(struct state *z)
{
    size_t lacks = z->records - z->window_records;
    z->window.data = z->data; /* the buffer may have moved */
    z->window.before = z->before;
    z->window.room = WINDOW;
    bool fits = z->window_records > 0 && lacks <= ROW && z->window.texts + lacks <= WINDOW_TEXTS;
    for (; fits && lacks > 0; lacks--)
        fits = add_text(z, place_of(z, lacks));
    if (!fits) {
        repeats_begin(&z->window);
        for (lacks = z->records < ROW ? z->records : ROW; lacks > 0; lacks--)
            if (!add_text(z, place_of(z, lacks)))
                abort(); /* cannot be: there is room for so many of the longest */
    }
    z->window_records = z->records;
}

/* The record with the most of the start, and best with that in front of it too.  That hangs on exemplars
 * as well, but a script must not: it is for a row of labels. */
static void find_prefix(struct state *z, struct span labels, struct head *head)
{
    size_t best = 0;
    head->prefix = head->back = 0;
    for (unsigned back = 1; back <= ROW && back <= z->records; back++) {
        struct span text = repeats_get(&z->window, back);
        size_t most = text.len < labels.len ? text.len : labels.len;
        size_t n = repeats_start(text.data, labels.data, most), worth = n < SHORT ? 0 : n;
        worth += text.len == labels.len ? 3 : 1;
        if (place_of(z, back)->own && worth > best) {
            best = worth;
            head->prefix = (uint16_t)(n < SHORT ? 0 : n);
            head->back = (uint8_t)back;
        }
    }
}

static void find_pieces(struct state *z, struct span labels, struct script *s)
{
    struct repeat found[REPEATS_MAX], last = {.back = s->head.back};
    size_t at = s->head.prefix;
    bool whole = false;
    unsigned n = repeats_find(&z->window, labels, at, labels.len, MIDDLE + 2, found);
    for (struct repeat *r = found; r < found + n; r++) {
        size_t end = (size_t)r->at + r->len, other = repeats_get(&z->window, r->back).len;
        whole = end == labels.len && (size_t)r->from + r->len == other;
        if (whole) {
            last = *r;
            break;
        }
        add_piece(s, (struct span){labels.data + at, r->at - at}, *r);
        at = end;
    }
    if (!whole) {
        struct span from = repeats_get(&z->window, last.back);
        size_t left = labels.len - at;
        last.len = (uint16_t)repeats_end(from.data + from.len, labels.data + labels.len,
                                         left < from.len ? left : from.len);
        last.from = (uint16_t)(from.len - last.len);
        last.at = (uint16_t)(labels.len - last.len);
    }
    last.len = (uint16_t)(last.len + MIDDLE);
    add_piece(s, (struct span){labels.data + at, last.at - at}, last);
}

/* The script of s behind the records before becomes its part, or that there is none. */
static __attribute__((noinline)) void make_script(struct message *m, const struct series *s,
                                                  struct span constant)
{
    struct state *z = state_of(m);
    char text[LONGEST], part[sizeof(struct script)];
    struct script script;
    script.len = 0;
    fill_window(z);
    memcpy(&script.head, constant.data, sizeof script.head);
    script.head.before = z->row;
    script.head.pieces = 0;
    struct span labels = {text, (size_t)(put_labels(text, s) - text)};
    find_prefix(z, labels, &script.head);
    find_pieces(z, labels, &script);
    size_t len = sizeof script.head, pieces = script.head.pieces * sizeof script.pieces[0];
    if (pieces + script.len > KEPT) {
        pieces = script.len = 0;
        script.head.pieces = 0;
    }
    memcpy(part, &script.head, len);
    memcpy(part + len, script.pieces, pieces);
    memcpy(part + len + pieces, script.literals, script.len);
    series_change_part((struct series *)(uintptr_t)s, m->lane,
                       (struct span){part, len + pieces + script.len});
}

/* A record to be written. */
struct record {
    const struct series *series;
    const struct point *at;
    size_t start, inner, len, labels, exemplar;
    bool usual; /* its time */
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

/* The last record without another behind it. */
static char *end_record(struct state *z, char *p)
{
    struct wait w = z->wait;
    const struct place *last = place_of(z, 1);
    if (w.len == 0)
        return p;
    z->wait.len = 0;
    p = snappy_literal(snappy_copy(p, w.distance, w.len), 8 - w.same + TAIL);
    if (w.same < 8)
        p = put_bits(p, last->bits >> 8 * w.same) - w.same;
    return put_number(p, WIRE_VARINT(2), last->ts_ms);
}

/* What the last record lacks, and behind it len bytes of the next: a copy of what stands so far in
 * front, where the record before that place is `before`. */
static inline char *put_both(struct state *z, char *p, const struct place *before, size_t distance,
                             size_t len)
{
    struct wait w = z->wait;
    const struct place *last = place_of(z, 1);
    if (w.len == 0 || !before->usual || before->ts_ms != last->ts_ms)
        return snappy_copy(end_record(z, p), distance, len);
    uint64_t other = last->bits ^ before->bits;
    size_t rest = 8 - w.same, high = other ? (size_t)__builtin_clzll(other) / 8 : 8;
    high = high < rest ? high : rest;
    rest -= high;
    len += high + TAIL;
    z->wait.len = 0;
    if (rest == 0 && distance == w.distance)
        return snappy_copy(p, distance, w.len + len);
    p = snappy_copy(p, w.distance, w.len);
    if (rest > 0) {
        p = snappy_literal(p, rest);
        p = put_bits(p, last->bits >> 8 * w.same) - 8 + rest;
    }
    return snappy_copy(p, distance, len);
}

/* Up to the labels, and what of these is as in one before. */
static inline char *put_start(struct state *z, char *p, const struct record *r,
                              const struct head *head)
{
    static const struct place none = {.usual = false};
    const struct place *from = place_of(z, head->back);
    const struct place *before = head->back < z->records ? place_of(z, head->back + 1u) : &none;
    size_t distance = z->plain - from->start, start = from->at - from->start;
    if (r->inner == from->inner)
        return put_both(z, p, before, distance, r->start + head->prefix);
    bool low = r->start == 3 && start == 3 && r->inner >> 7 == from->inner >> 7 && head->prefix > 0;
    p = put_both(z, p, before, distance, 1);
    p = snappy_literal(p, low ? 1 : r->start - 1);
    if (low)
        *p++ = (char)(r->inner | 0x80);
    else
        p = varint_put(p, r->inner);
    return snappy_copy(p, distance + r->start - start, low + head->prefix);
}

/* The value and what is behind it, which waits, if it can; in front of it are len bytes of that
 * place. */
static inline char *put_rest(struct state *z, char *p, const struct record *r,
                             const struct place *from, size_t distance, size_t len)
{
    uint64_t bits = r->at->bits, other = bits ^ from->bits;
    size_t same = other ? (size_t)__builtin_ctzll(other) / 8 : 8;
    if (!r->exemplar) {
        z->wait = (struct wait){distance, len + same, same};
        return p;
    }
    p = snappy_literal(snappy_copy(p, distance, len), 8 + TAIL + exemplar_field_len(r));
    p = put_number(put_bits(p, bits), WIRE_VARINT(2), r->at->ts_ms);
    return put_exemplar(p, r);
}

static inline char *put_scripted(struct state *z, char *p, const struct record *r,
                                 const struct head *head)
{
    const struct piece *piece = (const void *)(head + 1), *last = piece + head->pieces - 1;
    const char *literals = (const char *)(last + 1);
    size_t at = z->plain + r->start;
    p = put_start(z, p, r, head);
    for (;; piece++) {
        if (piece->literals) {
            p = snappy_literal(p, piece->literals);
            memcpy(p, literals, piece->literals);
            p += piece->literals;
            literals += piece->literals;
        }
        const struct place *from = place_of(z, piece->back);
        size_t distance = at - from->at + (size_t)piece->more;
        if (piece == last)
            return put_rest(z, p, r, from, distance, piece->len);
        p = snappy_copy(p, distance, piece->len);
    }
}

static __attribute__((noinline)) char *put_literally(struct state *z, char *p,
                                                     const struct record *r)
{
    p = snappy_literal(end_record(z, p), r->len);
    *p++ = WIRE_BYTES(1);
    p = varint_put(p, r->inner);
    p = put_sample(put_labels(p, r->series), r->at);
    return r->exemplar ? put_exemplar(p, r) : p;
}

/* The script that goes behind the records before; NULL: none does. */
static inline const struct head *find_script(struct message *m, const struct record *r,
                                             struct span constant)
{
    struct state *z = state_of(m);
    const struct head *head = (const void *)constant.data;
    if (z->row == 0 || !r->usual || r->labels > LONGEST)
        return NULL;
    if (z->plain - place_of(z, z->records < ROW ? z->records : ROW)->start > FAR)
        return NULL;
    if (head->before != z->row) {
        make_script(m, r->series, constant);
        head = (const void *)series_part(r->series, m->lane).data;
    }
    return head->pieces ? head : NULL;
}

/* It was written, and is before the next. */
static inline void put_behind(struct state *z, const struct record *r, uint64_t own)
{
    own = r->usual && r->labels <= LONGEST ? own : 0;
    uint64_t leaves = z->records >= ROW ? place_of(z, ROW)->own : 0;
    z->row = (z->row - leaves * z->out_of_row) * TURN + own;
    z->records++;
    *place_of(z, 1) = (struct place){
        .own = own,
        .series = r->series,
        .start = z->plain,
        .at = z->plain + r->start,
        .inner = r->inner,
        .bits = r->at->bits,
        .ts_ms = r->at->ts_ms,
        .usual = r->usual && !r->exemplar,
    };
    z->plain += r->len;
}

/* What it costs to end the last record. */
static inline size_t end_max(const struct state *z)
{
    return z->wait.len ? snappy_copy_max(z->wait.len) + SNAPPY_OUT_ROOM + 8 + TAIL : 0;
}

enum status v1_append(struct message *m, const struct series *s, const struct point *at,
                      struct span constant)
{
    const struct head *head = (const void *)constant.data;
    struct state *z = state_of(m);
    struct record r = {.series = s, .at = at, .labels = head->len};
    uint64_t own = head->own;
    r.usual = number_len(at->ts_ms) == TAIL;
    r.exemplar = at->exemplar ? exemplar_len(at) : 0;
    r.inner = r.labels + 2 + sample_len(at) + exemplar_field_len(&r);
    r.start = 1 + varint_len(r.inner);
    r.len = r.start + r.inner;
    if (r.len > z->plain_max - z->plain)
        return ERR_LIMIT;
    size_t worst = r.len + r.len / 6 + 32 + end_max(z);
    char *p = buf_room(m->out, worst);
    if (!p)
        return ERR_LIMIT;
    z = state_of(m);
    struct wait wait = z->wait;
    head = find_script(m, &r, constant);
    char *end = head ? put_scripted(z, p, &r, head) : put_literally(z, p, &r);
    if ((size_t)(end - m->out->data) - sizeof *z + end_max(z) > z->max) {
        z->wait = wait;
        return ERR_LIMIT;
    }
    buf_used(m->out, (size_t)(end - p));
    put_behind(z, &r, own);
    return OK;
}

size_t v1_finish_max(size_t max)
{
    return sizeof(struct state) + max + SLACK;
}

enum status v1_begin(struct message *m)
{
    size_t bound = m->out->max, room = bound < v1_finish_max(0) ? 0 : bound - v1_finish_max(0);
    struct state *z = (void *)buf_room(m->out, sizeof *z);
    if (!z || room < SNAPPY_OUT_ROOM)
        return ERR_LIMIT;
    memset(z, 0, offsetof(struct state, window));
    z->plain_max = CONTENT * room;
    z->max = room - SNAPPY_OUT_ROOM;
    z->out_of_row = 1;
    for (size_t i = 1; i < ROW; i++)
        z->out_of_row *= TURN;
    z->window_records = 0;
    buf_used(m->out, sizeof *z);
    return OK;
}

void v1_end(struct message *m)
{
    struct state *z = state_of(m);
    char *p = buf_room(m->out, end_max(z) + 8);
    if (!p)
        abort(); /* cannot be: append has counted them, and there is some slack */
    buf_used(m->out, (size_t)(end_record(state_of(m), p) - p));
}

void v1_finish(struct span in, struct buf *out)
{
    const struct state *z = (const void *)in.data;
    size_t len = in.len - sizeof *z;
    char *p = buf_room(out, SNAPPY_OUT_ROOM + len);
    if (!p)
        abort(); /* cannot be: append has counted them */
    char *end = varint_put(p, z->plain);
    memcpy(end, in.data + sizeof *z, len);
    buf_used(out, (size_t)(end - p) + len);
}
