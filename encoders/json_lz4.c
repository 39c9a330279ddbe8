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

static struct lz4_script *script_of(struct span constant)
{
    return (struct lz4_script *)(void *)(uintptr_t)constant.data - 1;
}

static size_t head_len(struct span constant)
{
    return ((const struct json_constant *)(const void *)constant.data)->head_len;
}

/* There is one. */
static struct span scripted_part(const struct series *s, unsigned lane)
{
    struct span part = texts_part(s->family->texts, &series_text(s)->parts[lane]);
    const struct lz4_script *script = (const void *)part.data;
    return (struct span){part.data + sizeof *script, script->kept_len};
}

/* The script of r behind the record before becomes its series' own.  False: there is none. */
static bool make_script(const struct json *j, struct message *m, const struct json_record *r)
{
    struct lz4_message *z = m->lz4;
    struct buf *part = &z->part, *heads = &z->text;
    struct span before = scripted_part(z->series, m->lane);
    struct lz4_script script = *script_of(r->constant);
    if (head_len(r->constant) > LZ4_SCRIPT_HEAD || z->head_len > LZ4_SCRIPT_HEAD)
        return false;
    buf_truncate(part, 0);
    buf_truncate(heads, 0);
    if (json_add_head(j, z->series, before, heads) != OK ||
        json_add_head(j, r->series, r->constant, heads) != OK ||
        buf_add(part, &script, sizeof script) != OK ||
        buf_add(part, r->constant.data, r->constant.len) != OK ||
        lz4_script_make(&script, (struct span){heads->data, z->head_len},
                        (struct span){heads->data + z->head_len, head_len(r->constant)}, &z->work,
                        part) != OK)
        abort(); /* cannot be: heads are short, and a message has room for the rest */
    script.before = z->number;
    memcpy(part->data, &script, sizeof script);
    series_change_part((struct series *)(uintptr_t)r->series, m->lane,
                       (struct span){part->data, part->len});
    return true;
}

/* Whether a script goes in front of r's value; it may be made first, and r's constant part has moved
 * then. */
static inline bool find_script(const struct json *j, struct message *m, struct json_record *r)
{
    const struct lz4_message *z = m->lz4;
    if (z->number == 0 || z->len > LZ4_SCRIPT_FAR)
        return false;
    if (script_of(r->constant)->before == z->number)
        return true;
    bool made = make_script(j, m, r);
    r->constant = scripted_part(r->series, m->lane);
    return made;
}

/* Up to the value: what goes on behind the head is as in the record before, or but for the end of its
 * time. */
static inline char *put_scripted(struct message *m, char *p, const struct json_record *r,
                                 size_t shared)
{
    struct lz4_message *z = m->lz4;
    const struct lz4_script *script = script_of(r->constant);
    const char *data = r->constant.data + r->constant.len;
    size_t distance = z->len + head_len(r->constant) - z->head_len, same = 0;
    p = lz4_script_put(&z->out, p, script, data, z->len, z->owed, z->joined);
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
                                                 const struct json_record *r)
{
    struct lz4_message *z = m->lz4;
    struct buf *head = &z->text;
    buf_truncate(head, 0);
    if (json_add_head(j, r->series, r->constant, head) != OK)
        abort(); /* cannot be: it fits into a message */
    p = json_put(p, z->end.data, z->owed);
    p = json_put(p, head->data, head->len);
    p = json_put(p, message_time(m, r->ts_ms), CLOCK_TEXT);
    return json_put(p, r->middle.data, r->middle.len);
}

/* What stands behind the value, when the record before ends likewise. */
static inline bool ends_so(const struct lz4_message *z, struct span tail)
{
    return z->end.len == tail.len + LEN("}\n") && memcmp(z->end.data, tail.data, tail.len) == 0;
}

static __attribute__((noinline)) void keep_end(struct lz4_message *z, struct span tail)
{
    buf_truncate(&z->end, 0);
    if (buf_add(&z->end, tail.data, tail.len) != OK || buf_puts(&z->end, "}\n") != OK)
        abort(); /* cannot be: it fits into a message */
}

/* The record that was written is the one before the next. */
static inline void put_behind(struct lz4_message *z, const struct json_record *r, size_t len,
                              size_t shared)
{
    z->number = script_of(r->constant)->own;
    z->series = r->series;
    z->head_len = head_len(r->constant);
    z->ts_ms = r->ts_ms;
    z->len = len;
    z->shared = shared;
    z->value_len = r->quoted || r->what.len > LZ4_VALUE_ROOM ? 0 : r->what.len;
    memcpy(z->value, r->what.data, z->value_len);
    z->out.plain += len;
}

static inline size_t len_of(const struct json_record *r)
{
    return head_len(r->constant) + CLOCK_TEXT + r->middle.len + 2u * r->quoted + r->what.len;
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

/* Of a record that is so long, and for the length of literals that wait for their match. */
static inline char *make_room(struct lz4_message *z, size_t len)
{
    size_t all = len + z->owed, waits = z->out.out.len - z->out.token_at;
    return lz4_out_room(&z->out, all + (all + waits) / 64 + 64);
}

/* rest: between the value and the end of the line, which is told by none that comes behind it. */
static enum status append_odd(const struct json *j, struct message *m, struct json_record *r,
                              struct span rest, bool scripted)
{
    struct lz4_message *z = m->lz4;
    size_t len = len_of(r) + rest.len + LEN("}\n");
    if (len > z->out.plain_max - z->out.plain)
        return ERR_LIMIT;
    char *p = make_room(z, len);
    p = put_value(scripted ? put_scripted(m, p, r, 0) : put_plain(j, m, p, r), r, 0);
    p = json_put(json_put(p, rest.data, rest.len), "}\n", 2);
    lz4_out_used(&z->out, p);
    put_behind(z, r, len, 0);
    z->joined = false;
    z->owed = 0;
    buf_truncate(&z->end, 0);
    return OK;
}

static __attribute__((noinline)) enum status append_with_extra(const struct json *j,
                                                               struct message *m,
                                                               struct json_record *r,
                                                               const struct sample_extra *x)
{
    struct buf *rest = &m->lz4->part;
    bool scripted = find_script(j, m, r); /* which needs that too */
    struct span tail = json_tail(r->constant), help = json_help(j, r->series, tail);
    buf_truncate(rest, 0);
    enum status s = buf_add(rest, tail.data, tail.len - help.len);
    if (s == OK)
        s = json_add_extra(rest, x);
    if (s == OK)
        s = buf_add(rest, help.data, help.len);
    return s == OK ? append_odd(j, m, r, (struct span){rest->data, rest->len}, scripted) : s;
}

enum status json_lz4_append(const struct json *j, struct message *m,
                            const struct json_record *record, const struct sample_extra *x)
{
    struct json_record r = *record;
    struct lz4_message *z = m->lz4;
    if (x)
        return append_with_extra(j, m, &r, x);
    struct span tail = json_tail(r.constant);
    size_t len = len_of(&r) + tail.len + LEN("}\n");
    if (len > z->out.plain_max - z->out.plain)
        return ERR_LIMIT;
    char *p = make_room(z, len);
    bool scripted = find_script(j, m, &r);
    size_t shared = scripted ? count_shared(z, &r) : 0;
    p = scripted ? put_scripted(m, p, &r, shared) : put_plain(j, m, p, &r);
    p = put_value(p, &r, shared);
    bool same = scripted && shared == r.what.len && shared == z->value_len;
    tail = json_tail(r.constant); /* it may have moved */
    if (ends_so(z, tail)) {
        z->owed = z->end.len;
        z->joined = same;
    } else {
        p = json_put(json_put(p, tail.data, tail.len), "}\n", 2);
        keep_end(z, tail);
        z->owed = 0;
        z->joined = false;
    }
    lz4_out_used(&z->out, p);
    put_behind(z, &r, len, shared);
    return OK;
}

enum status json_lz4_append_ended(const struct json *j, struct message *m,
                                  const struct json_record *record)
{
    struct json_record r = *record;
    enum status s = append_odd(j, m, &r, json_tail(r.constant), false);
    if (s == OK)
        m->lz4->number = 0; /* nothing is like it */
    return s;
}

void json_lz4_end(struct lz4_message *z)
{
    lz4_out_text(&z->out, z->end.data, z->owed);
    z->owed = 0;
    char last[LZ4_VALUE_ROOM + LZ4_OUT_LAST] = "lue\":";
    memcpy(last + LZ4_OUT_LAST, z->value, z->shared);
    lz4_out_end(&z->out, last + z->shared);
}
