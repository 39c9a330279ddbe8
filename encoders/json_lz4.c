/* SPDX-License-Identifier: Apache-2.0 */
/* json_lz4.c - lines of JSON as an LZ4 frame (docs/internals/LZ4.md).
 *
 * A line is head, time, middle, value and end.  The head is a script's (lz4_script.h) behind that of the
 * line before; its last match goes on over time and middle, its first begins with the end of
 * the line before, when that is the end of the one before it too.  So of most lines two or three sequences are left, and
 * as literals only the value and what tells the two heads apart.
 *
 *     ...{"name":"a","type":"gauge","tags":{"x":"1"},"timestamp":"2026-...Z","value":17}\n
 *        {"name":"a","type":"gauge","tags":{"x":"2"},"timestamp":"2026-...Z","value":4}\n
 *     ===first match, with }\n before it========= 2 ===last match================ 4 }\n is owed  */
#include "json_record.h"

/* Between a head and its value. */
enum { BEHIND_HEAD = CLOCK_TEXT + LEN(JSON_MIDDLE) };

/* A record's constant part, looked at: no more of it than is needed, for most is not in the
 * processor's caches. */
struct line {
    const struct lz4_script *script;
    size_t head_len;
    struct span tail;
};

static inline struct line look(struct span part)
{
    struct line l = {.script = (const void *)part.data, .tail = {"", 0}};
    struct span kept = lz4_script_kept(l.script);
    if (l.script->before == 0) {
        l.head_len = ((const struct json_constant *)(const void *)kept.data)->head_len;
        l.tail = json_tail(kept);
    } else {
        l.head_len = l.script->head_len;
        if (l.script->own_len > 0)
            l.tail = (struct span){kept.data + kept.len - l.script->own_len, l.script->own_len};
    }
    return l;
}

/* There is one. */
static struct span part_of(const struct series *s, unsigned lane)
{
    return texts_part(s->family->texts, &series_text(s)->parts[lane]);
}

/* Whether a part that has no room for its new script gets it, at the price of its texts growing: always for the
 * first one, else in one message of eight.  For where lines drop out at random each scrape finds another
 * line before, and nothing of that will be of use again. */
static bool may_grow(const struct message *m, const struct lz4_script *old)
{
    return old->before == 0 || m->number * UINT64_C(0x9E3779B97F4A7C15) >> 61 == 0;
}

/* The script of l, a line of s, behind the record before: as the series' own, and l is that then. False: no
 * script can be. */
static bool make_script(const struct json *j, struct message *m, const struct series *s,
                        struct line *l)
{
    struct lz4_message *z = m->lz4;
    struct lz4_script script = *l->script;
    struct span kept = lz4_script_kept(l->script), part = part_of(s, m->lane);
    struct span before = lz4_script_kept((const void *)part_of(z->series, m->lane).data);
    struct buf *heads = &z->text;
    if (l->head_len > LZ4_SCRIPT_HEAD || z->head_len > LZ4_SCRIPT_HEAD || l->tail.len > UINT16_MAX)
        return false;
    buf_truncate(heads, 0);
    if (json_add_head(j, z->series, before, heads) != OK || json_add_head(j, s, kept, heads) != OK)
        abort(); /* cannot be: they are short */
    script.before = z->number;
    script.own_len = (uint16_t)l->tail.len;
    bool made = lz4_script_make(&script, (struct span){heads->data, z->head_len},
                                (struct span){heads->data + z->head_len, l->head_len}, kept,
                                &z->work, &z->part);
    if (z->part.len <= lz4_script_round(part.len) || may_grow(m, l->script))
        series_change_part((struct series *)(uintptr_t)s, m->lane,
                           (struct span){z->part.data, z->part.len});
    *l = look((struct span){z->part.data, z->part.len});
    return made;
}

/* Whether a script goes in front of the value of l; it may be made first, and l is that then. */
static inline bool find_script(const struct json *j, struct message *m, const struct series *s,
                               struct line *l)
{
    const struct lz4_message *z = m->lz4;
    if (z->number == 0 || z->len > LZ4_SCRIPT_FAR)
        return false;
    if (l->script->before == z->number)
        return l->script->prefix > 0;
    return make_script(j, m, s, l);
}

/* Up to the value: what goes on behind the head is as in the record before, or but for the end of its
 * time. */
static inline char *put_scripted(struct message *m, char *p, const struct json_record *r,
                                 const struct line *l, size_t shared)
{
    struct lz4_message *z = m->lz4;
    const struct lz4_script *script = l->script;
    size_t distance = z->len + l->head_len - z->head_len, same = 0;
    p = lz4_script_put(&z->out, p, script, z->len, z->owed, z->joined);
    if (r->ts_ms == z->ts_ms)
        return lz4_out_match(&z->out, p, distance, script->suffix + BEHIND_HEAD + shared);
    char before[CLOCK_TEXT];
    memcpy(before, m->time, CLOCK_TEXT);
    const char *time = message_time(m, r->ts_ms);
    while (before[same] == time[same])
        same++; /* they differ somewhere */
    p = lz4_out_match(&z->out, p, distance, script->suffix + same);
    p = json_put(p, time + same, CLOCK_TEXT - same);
    return lz4_out_match(&z->out, p, distance, LEN(JSON_MIDDLE) + shared);
}

/* How many bytes the value begins with as that before did. */
static inline size_t count_shared(const struct lz4_message *z, const struct json_record *r)
{
    size_t n = 0, most = r->what.len < z->value_len ? r->what.len : z->value_len;
    while (n < most && r->what.data[n] == z->value[n])
        n++;
    return r->quoted ? 0 : n;
}

/* What the record before still lacks, and as literals what is in front of the value. */
static __attribute__((noinline)) char *put_plain(const struct json *j, struct message *m, char *p,
                                                 const struct json_record *r, const struct line *l)
{
    struct lz4_message *z = m->lz4;
    struct buf *head = &z->text;
    buf_truncate(head, 0);
    if (json_add_head(j, r->series, lz4_script_kept(l->script), head) != OK)
        abort(); /* cannot be: it fits into a message */
    p = json_put(p, z->end.data, z->owed);
    p = json_put(p, head->data, head->len);
    p = json_put(p, message_time(m, r->ts_ms), CLOCK_TEXT);
    return json_put(p, r->middle.data, r->middle.len);
}

/* What stands behind the value, when the record before ends likewise. */
static inline bool ends_so(const struct lz4_message *z, struct span tail)
{
    return z->end.len == tail.len + LEN("}\n") &&
           (tail.len == 0 || memcmp(z->end.data, tail.data, tail.len) == 0);
}

static __attribute__((noinline)) void keep_end(struct lz4_message *z, struct span tail)
{
    buf_truncate(&z->end, 0);
    if (buf_add(&z->end, tail.data, tail.len) != OK || buf_puts(&z->end, "}\n") != OK)
        abort(); /* cannot be: it fits into a message */
}

/* The record that was written is the one before the next. */
static inline void put_behind(struct lz4_message *z, const struct json_record *r,
                              const struct line *l, size_t len, size_t shared)
{
    z->number = l->script->own;
    z->series = r->series;
    z->head_len = l->head_len;
    z->ts_ms = r->ts_ms;
    z->len = len;
    z->shared = shared;
    z->value_len = r->quoted || r->what.len > LZ4_VALUE_ROOM ? 0 : r->what.len;
    memcpy(z->value, r->what.data, z->value_len);
    z->out.plain += len;
}

/* But for what is behind its value. */
static inline size_t len_of(const struct json_record *r, const struct line *l)
{
    return l->head_len + CLOCK_TEXT + r->middle.len + 2u * r->quoted + r->what.len;
}

static inline char *put_value(char *p, const struct json_record *r, size_t shared)
{
    if (r->quoted)
        *p++ = '"';
    p = json_put(p, r->what.data + shared, r->what.len - shared);
    if (r->quoted)
        *p++ = '"';
    return p;
}

static inline char *put_end(char *p, struct span rest)
{
    return json_put(json_put(p, rest.data, rest.len), "}\n", LEN("}\n"));
}

/* Of a record that is so long, and for the length of literals that wait for their match. */
static inline char *make_room(struct lz4_message *z, size_t len)
{
    size_t all = len + z->owed, waits = z->out.out.len - z->out.token_at;
    return lz4_out_room(&z->out, all + (all + waits) / 64 + 64);
}

/* rest: between the value and the end of the line, which is told by none that comes behind it. */
static enum status append_odd(const struct json *j, struct message *m, const struct json_record *r,
                              const struct line *l, struct span rest, bool scripted)
{
    struct lz4_message *z = m->lz4;
    size_t len = len_of(r, l) + rest.len + LEN("}\n");
    if (len > z->out.plain_max - z->out.plain)
        return ERR_LIMIT;
    char *p = make_room(z, len);
    p = scripted ? put_scripted(m, p, r, l, 0) : put_plain(j, m, p, r, l);
    p = put_end(put_value(p, r, 0), rest);
    lz4_out_used(&z->out, p);
    put_behind(z, r, l, len, 0);
    z->joined = false;
    z->owed = 0;
    buf_truncate(&z->end, 0);
    return OK;
}

static __attribute__((noinline)) enum status append_with_extra(const struct json *j,
                                                               struct message *m,
                                                               const struct json_record *r,
                                                               const struct sample_extra *x)
{
    struct buf *rest = &m->lz4->rest;
    struct line l = look(r->constant);
    bool scripted = find_script(j, m, r->series, &l);
    struct span help = json_help(j, r->series, l.tail);
    buf_truncate(rest, 0);
    enum status s = buf_add(rest, l.tail.data, l.tail.len - help.len);
    if (s == OK)
        s = json_add_extra(rest, x);
    if (s == OK)
        s = buf_add(rest, help.data, help.len);
    return s == OK ? append_odd(j, m, r, &l, (struct span){rest->data, rest->len}, scripted) : s;
}

enum status json_lz4_append(const struct json *j, struct message *m, const struct json_record *r,
                            const struct sample_extra *x)
{
    struct lz4_message *z = m->lz4;
    if (x)
        return append_with_extra(j, m, r, x);
    struct line l = look(r->constant);
    size_t len = len_of(r, &l) + l.tail.len + LEN("}\n");
    if (len > z->out.plain_max - z->out.plain)
        return ERR_LIMIT;
    char *p = make_room(z, len);
    bool scripted = find_script(j, m, r->series, &l);
    size_t shared = scripted ? count_shared(z, r) : 0;
    bool same = scripted && shared == r->what.len && shared == z->value_len;
    p = scripted ? put_scripted(m, p, r, &l, shared) : put_plain(j, m, p, r, &l);
    p = put_value(p, r, shared);
    bool ends = ends_so(z, l.tail);
    if (!ends) {
        p = put_end(p, l.tail);
        keep_end(z, l.tail);
    }
    z->owed = ends ? z->end.len : 0;
    z->joined = ends && same;
    lz4_out_used(&z->out, p);
    put_behind(z, r, &l, len, shared);
    return OK;
}

enum status json_lz4_append_ended(const struct json *j, struct message *m,
                                  const struct json_record *r)
{
    struct line l = look(r->constant);
    enum status s = append_odd(j, m, r, &l, l.tail, false);
    if (s == OK)
        m->lz4->number = 0; /* nothing is like it */
    return s;
}

void json_lz4_end(struct lz4_message *z)
{
    char last[LZ4_VALUE_ROOM + LZ4_OUT_LAST] = "lue\":";
    memcpy(last + LZ4_OUT_LAST, z->value, z->shared);
    lz4_out_text(&z->out, z->end.data, z->owed);
    lz4_out_end(&z->out, last + z->shared);
}
