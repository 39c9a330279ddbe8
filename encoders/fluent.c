/* SPDX-License-Identifier: Apache-2.0 */
/* fluent.c - messages of the Forward protocol v1, in MessagePack (docs/MESSAGES.md):
 *
 *     forward   [tag, [[time, record], ...], option]
 *     packed    [tag, bin of [time, record]..., option]
 *     gzip      [tag, bin of these compressed, option with compressed: gzip]
 *     message   [tag, time, record, option]: one sample
 *
 *     record    {name: ..., type: ..., tags: {...}, value: 17.0, unit: ..., created: "...",
 *                exemplar: {tags: {...}, value: 0.5, timestamp: "..."}, help: ...}
 *     option    {chunk: the payload's id in base64, size: samples}
 *
 * time is an EventTime: ext type 0, seconds and nanoseconds of 32 bits each; what lies before 1970
 * or after 2106 cannot be said.  value is always the double, bit for bit, NaN and infinities too.
 * The other times are texts, as in JSON.  Counts that are known at the end only have the longest head, so that they can be filled in.
 *
 * A gzip message is first a packed one, of which finish copies all but the entries.  */
#include "encoder.h"
#include "mem.h"
#include "msgpack.h"
#include "template.h"

#include <zlib.h>

enum fluent_mode { FLUENT_FORWARD, FLUENT_PACKED, FLUENT_GZIP, FLUENT_MESSAGE };
enum fluent_tags { FLUENT_NESTED, FLUENT_FLAT };

enum {
    LEN_BYTES = 4,    /* of a count that is filled in */
    ENTRY_MAX = 32,   /* bytes of an entry besides its constant part */
    GZIP_BYTES = 64,  /* zlib's deflateBound adds 25 to a part of the length, */
    GZIP_SHIFT = 11,  /* which is less than this one */
    GZIP_LEVEL = 1,   /* a third of the time of the default, and little larger */
    GZIP_WINDOW = 31, /* 15, and 16 for gzip's frame */
    GZIP_MEMORY = 8,
};

struct fluent_conf {
    unsigned mode, tags;
    char *tag;
    bool help;
};

struct fluent {
    enum fluent_mode mode;
    enum fluent_tags tags;
    bool help;
    struct template *tag;
};

static const char *const modes[] = {"forward", "packed", "gzip", "message", NULL};
static const char *const tag_styles[] = {"nested", "flat", NULL};

static const struct setting settings[] = {
    SETTING_CHOICE(fluent_conf, mode, "forward", modes,
                   "of the Forward protocol: Forward, PackedForward, CompressedPackedForward, or "
                   "Message, which is one message per sample"),
    SETTING_CHOICE(fluent_conf, tags, "nested", tag_styles,
                   "nested: labels in the member tags of a record; flat: beside its others"),
    SETTING_STRING(fluent_conf, tag, "metrics.{pool}", 0,
                   "of each message, with labels of the target; {pool} {source} {target} "
                   "{instance} {job} too; without the label: unknown"),
    SETTING_BOOL(fluent_conf, help, "false", "whether each record carries the metric's help"),
    SETTING_END};

/* Of a label's value in a tag, whose parts are parted by dots and matched by patterns. */
static bool is_legal(unsigned char c)
{
    return c > ' ' && c != 0x7f && c != '.' && c != '*';
}

static enum status check_tag(const char *tag, struct err *err)
{
    if (tag[0] == '\0')
        return err_set(err, ERR_INVALID, "tag: empty");
    for (const char *c = tag; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return err_set(err, ERR_INVALID, "tag: '%s' has white space", tag);
    return OK;
}

static enum status fluent_open(void **ret_self, const void *conf, struct err *err)
{
    const struct fluent_conf *c = conf;
    struct template *tag;
    enum status s = check_tag(c->tag, err);
    if (s != OK)
        return s;
    s = template_new(&tag, c->tag, "unknown", is_legal, err);
    if (s != OK)
        return err_wrap(err, s, "tag");
    struct fluent *self = mem_alloc(sizeof *self);
    *self = (struct fluent){(enum fluent_mode)c->mode, (enum fluent_tags)c->tags, c->help, tag};
    *ret_self = self;
    return OK;
}

static void fluent_close(void *self)
{
    struct fluent *f = self;
    template_free(f->tag);
    mem_free(f);
}

static const char *fluent_content_type(const void *self)
{
    (void)self;
    return "application/msgpack";
}

static size_t fluent_max_samples(const void *self)
{
    const struct fluent *f = self;
    return f->mode == FLUENT_MESSAGE ? 1 : UINT32_MAX;
}

/* Its length is known when it is there: it moves to where the head ends. */
static enum status add_tag(const struct fluent *f, struct message *m)
{
    static const struct target nobody = {.id = ""};
    struct buf *out = m->out;
    char head[MSGPACK_HEAD] = {0};
    size_t at = out->len;
    enum status s = buf_add(out, head, sizeof head);
    if (s == OK)
        s = template_render(f->tag, m->target ? m->target : &nobody, out);
    if (s != OK)
        return s;
    size_t len = out->len - at - sizeof head;
    size_t head_len = (size_t)(msgpack_put_str_head(head, len) - head);
    memmove(out->data + at + head_len, out->data + at + sizeof head, len);
    memcpy(out->data + at, head, head_len);
    buf_truncate(out, at + head_len + len);
    return OK;
}

static enum status fluent_begin(const void *self, struct message *m)
{
    const struct fluent *f = self;
    enum status s = buf_puts(m->out, f->mode == FLUENT_MESSAGE ? "\x94" : "\x93");
    if (s == OK)
        s = add_tag(f, m);
    m->mark = m->out->len;
    if (s == OK && f->mode != FLUENT_MESSAGE) {
        char head[MSGPACK_HEAD];
        msgpack_put_head32(head, f->mode == FLUENT_FORWARD ? 0xdd : 0xc6, 0);
        s = buf_add(m->out, head, sizeof head);
    }
    return s;
}

#define OPTION_MAX 80

/* The option, and the count that begin left open. */
static enum status fluent_end(const void *self, struct message *m)
{
    const struct fluent *f = self;
    char chunk[PAYLOAD_ID_BASE64 + 1];
    bool sized = f->mode != FLUENT_MESSAGE;
    size_t len = m->out->len;
    if (sized) {
        size_t n = f->mode == FLUENT_FORWARD ? m->samples : len - m->mark - MSGPACK_HEAD;
        msgpack_put_be32(m->out->data + m->mark + 1, (uint32_t)n);
    }
    char option[OPTION_MAX], *p = option;
    payload_id_base64(m->id, chunk);
    p = msgpack_put_map(p, 1 + sized + (size_t)(f->mode == FLUENT_GZIP));
    p = msgpack_put_str(p, "chunk", 5);
    p = msgpack_put_str(p, chunk, PAYLOAD_ID_BASE64);
    if (sized) {
        p = msgpack_put_str(p, "size", 4);
        p = msgpack_put_uint(p, (uint32_t)m->samples);
    }
    if (f->mode == FLUENT_GZIP) {
        p = msgpack_put_str(p, "compressed", 10);
        p = msgpack_put_str(p, "gzip", 4);
    }
    return buf_add(m->out, option, (size_t)(p - option));
}

static enum status add_str(struct buf *out, const char *text)
{
    size_t len = strlen(text);
    char *p = buf_room(out, MSGPACK_HEAD + len);
    if (!p)
        return ERR_LIMIT;
    buf_used(out, (size_t)(msgpack_put_str(p, text, len) - p));
    return OK;
}

static enum status add_map(struct buf *out, size_t n)
{
    char head[MSGPACK_HEAD];
    return buf_add(out, head, (size_t)(msgpack_put_map(head, n) - head));
}

static bool is_member(const char *name)
{
    static const char *const members[] = {"name", "type",    "value",    "ended",
                                          "unit", "created", "exemplar", "help"};
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (strcmp(members[i], name) == 0)
            return true;
    return false;
}

/* The key of a flat label: one that a record has of its own gets tag_ in front, once more for
 * as long as another label is called so. */
static enum status add_flat_name(struct buf *out, const struct series *s, const char *label)
{
    if (!is_member(label))
        return add_str(out, label);
    AUTO(buf) struct buf name = BUF_INIT(strlen(label) + sizeof "tag_" * (SETTING_MAP_MAX + 1));
    AUTO(buf) struct buf longer = BUF_INIT(name.max);
    enum status r = buf_cat(&name, "tag_", label, NULL);
    while (r == OK && series_label(s, name.data)) {
        buf_truncate(&longer, 0);
        r = buf_cat(&longer, "tag_", name.data, NULL);
        buf_truncate(&name, 0);
        if (r == OK)
            r = buf_add(&name, longer.data, longer.len);
    }
    return r == OK ? add_str(out, name.data) : r;
}

static size_t count_labels(const struct series *s)
{
    size_t n = 0;
    for (struct label l = series_first(s); l.name; l = series_next(s, l))
        n++;
    return n;
}

static enum status add_labels(const struct fluent *f, const struct series *s, struct buf *out)
{
    enum status r = OK;
    for (struct label l = series_first(s); l.name && r == OK; l = series_next(s, l)) {
        r = f->tags == FLUENT_FLAT ? add_flat_name(out, s, l.name) : add_str(out, l.name);
        if (r == OK)
            r = add_str(out, l.value);
    }
    return r;
}

/* Without text nothing. */
static enum status add_member(struct buf *out, const char *name, const char *text)
{
    enum status r = text ? add_str(out, name) : OK;
    return r == OK && text ? add_str(out, text) : r;
}

/* The record up to its value, and what comes behind it. */
static enum status add_record(const struct fluent *f, const struct series *s, struct buf *out,
                              size_t *ret_head_end)
{
    const char *unit = family_unit(s->family), *help = f->help ? family_help(s->family) : NULL;
    size_t labels = count_labels(s), more = (size_t)(unit != NULL) + (help != NULL);
    bool nested = f->tags == FLUENT_NESTED;
    enum status r = add_map(out, 3 + more + (nested ? 1 : labels));
    if (r == OK)
        r = add_member(out, "name", series_name(s));
    if (r == OK)
        r = add_member(out, "type", series_kind_name(s->family->kind));
    if (r == OK && nested)
        r = add_str(out, "tags");
    if (r == OK && nested)
        r = add_map(out, labels);
    if (r == OK)
        r = add_labels(f, s, out);
    *ret_head_end = out->len;
    if (r == OK)
        r = add_member(out, "unit", unit);
    return r == OK ? add_member(out, "help", help) : r;
}

/* A constant part: the length of the head, then both. */
struct constant {
    uint32_t head_len;
    char bytes[];
};

static enum status fluent_constant(const void *self, const struct series *s, struct buf *out)
{
    struct constant c = {0};
    size_t start = out->len, head_end = 0;
    enum status r = buf_add(out, &c, sizeof c);
    if (r == OK)
        r = add_record(self, s, out, &head_end);
    if (r != OK)
        return r;
    c.head_len = (uint32_t)(head_end - start - sizeof c);
    memcpy(out->data + start, &c, sizeof c);
    return OK;
}

static inline bool is_sayable(int64_t ts_ms)
{
    return ts_ms >= 0 && ts_ms / 1000 <= UINT32_MAX;
}

/* An entry up to its record. */
static inline char *put_start(char *p, const struct fluent *f, int64_t ts_ms)
{
    if (f->mode != FLUENT_MESSAGE)
        p = msgpack_put_array(p, 2);
    p = msgpack_put_be16(p, 0xd700); /* fixext 8, type 0 */
    p = msgpack_put_be32(p, (uint32_t)(ts_ms / 1000));
    return msgpack_put_be32(p, (uint32_t)(ts_ms % 1000 * 1000000));
}

/* [time, record] or, of a message, both without a head; what stands between the parts. */
static inline __attribute__((always_inline)) enum status write_entry(const struct fluent *f,
                                                                     struct message *m,
                                                                     int64_t ts_ms,
                                                                     struct span constant,
                                                                     struct span what)
{
    if (!is_sayable(ts_ms))
        return ERR_INVALID;
    const struct constant *c = (const void *)constant.data;
    size_t tail_len = constant.len - sizeof *c - c->head_len;
    char *p = buf_room(m->out, ENTRY_MAX + constant.len);
    if (!p)
        return ERR_LIMIT;
    p = put_start(p, f, ts_ms);
    memcpy(p, c->bytes, c->head_len);
    p += c->head_len;
    memcpy(p, what.data, what.len);
    p += what.len;
    memcpy(p, c->bytes + c->head_len, tail_len);
    p += tail_len;
    buf_used(m->out, (size_t)(p - m->out->data) - m->out->len);
    return OK;
}

#define VALUE_BYTES (6 + 9)

static inline void put_value(char p[VALUE_BYTES], double value)
{
    memcpy(p, "\xa5value", 6);
    msgpack_put_double(p + 6, value);
}

static enum status add_value(struct buf *out, double value)
{
    char room[VALUE_BYTES];
    put_value(room, value);
    return buf_add(out, room, sizeof room);
}

static enum status add_time(struct buf *out, const char *name, int64_t ts_ms)
{
    char time[CLOCK_TEXT + 1];
    clock_format(time, ts_ms);
    return add_member(out, name, time);
}

static enum status add_exemplar(struct buf *out, const struct exemplar *e)
{
    size_t labels = 0;
    enum status r = add_str(out, "exemplar");
    for (struct label l = exemplar_first(e); l.name; l = exemplar_next(e, l))
        labels++;
    if (r == OK)
        r = add_map(out, (size_t)2 + e->has_ts);
    if (r == OK)
        r = add_str(out, "tags");
    if (r == OK)
        r = add_map(out, labels);
    for (struct label l = exemplar_first(e); l.name && r == OK; l = exemplar_next(e, l))
        r = add_member(out, l.name, l.value);
    if (r == OK)
        r = add_value(out, e->value);
    return r == OK && e->has_ts ? add_time(out, "timestamp", e->ts_ms) : r;
}

/* Moves *tail behind the unit's member, which is first in it where there is one. */
static struct span take_unit(const struct series *s, struct span *tail)
{
    const char *start = tail->data;
    for (int i = 0; s->family->has_unit && i < 2; i++) /* name and text */
        if (msgpack_skip(tail) != OK)
            abort(); /* cannot be: constant wrote it */
    return (struct span){start, (size_t)(tail->data - start)};
}

/* A head for more members, and what is behind the head that there was. */
static enum status add_head(struct buf *out, struct span head, size_t more)
{
    struct msgpack_item map;
    if (msgpack_read(&head, &map) != OK)
        abort(); /* cannot be: constant wrote it */
    enum status r = add_map(out, map.count + more);
    return r == OK ? buf_add(out, head.data, head.len) : r;
}

/* An entry with what few samples have. */
static __attribute__((noinline)) enum status write_extra(const struct fluent *f, struct message *m,
                                                         const struct sample *s,
                                                         const struct sample_extra *x,
                                                         struct span constant)
{
    const struct constant *c = (const void *)constant.data;
    bool created = x->created_ms != EXTRA_NO_TIME;
    struct span tail = {c->bytes + c->head_len, constant.len - sizeof *c - c->head_len};
    struct span unit = take_unit(s->series, &tail);
    if (!is_sayable(s->ts_ms))
        return ERR_INVALID;
    char start[ENTRY_MAX];
    enum status r = buf_add(m->out, start, (size_t)(put_start(start, f, s->ts_ms) - start));
    if (r == OK)
        r = add_head(m->out, (struct span){c->bytes, c->head_len},
                     (size_t)created + x->has_exemplar);
    if (r == OK)
        r = add_value(m->out, s->value);
    if (r == OK)
        r = buf_add(m->out, unit.data, unit.len);
    if (r == OK && created)
        r = add_time(m->out, "created", x->created_ms);
    if (r == OK && x->has_exemplar)
        r = add_exemplar(m->out, &x->exemplar);
    return r == OK ? buf_add(m->out, tail.data, tail.len) : r;
}

static enum status fluent_append(const void *self, struct message *m, const struct sample *s,
                                 struct span constant)
{
    char value[VALUE_BYTES];
    const struct sample_extra *x = sample_extra(m->batch, s);
    if (x)
        return write_extra(self, m, s, x, constant);
    put_value(value, s->value);
    return write_entry(self, m, s->ts_ms, constant, (struct span){value, sizeof value});
}

static enum status fluent_append_ended(const void *self, struct message *m, const struct series *s,
                                       int64_t ts_ms, struct span constant)
{
    (void)s;
    return write_entry(self, m, ts_ms, constant,
                       (struct span){"\xa5"
                                     "ended\xc3",
                                     7});
}

static size_t fluent_finish_max(const void *self, size_t max)
{
    const struct fluent *f = self;
    if (f->mode != FLUENT_GZIP)
        return ENCODER_AS_IS;
    size_t more = (max >> GZIP_SHIFT) + GZIP_BYTES;
    return max > more ? max - more : 0;
}

static size_t compress_into(char *to, size_t room, struct span in)
{
    z_stream z = {.next_in = (Bytef *)in.data,
                  .avail_in = (uInt)in.len,
                  .next_out = (Bytef *)to,
                  .avail_out = (uInt)room};
    int r = deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY);
    if (r != Z_OK || deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort(); /* no memory; room is as large as deflateBound would have it */
    size_t len = z.total_out;
    deflateEnd(&z);
    return len;
}

static void put_all(struct buf *out, const void *data, size_t len)
{
    if (buf_add(out, data, len) != OK)
        abort(); /* cannot be: finish_max has kept room for it */
}

static void fluent_finish(const void *self, struct span in, struct buf *out)
{
    (void)self;
    struct span left = {in.data + 1, in.len - 1};
    struct msgpack_item tag, entries;
    if (msgpack_read(&left, &tag) != OK || msgpack_read(&left, &entries) != OK)
        abort(); /* cannot be: begin wrote them */
    size_t head = (size_t)(entries.text.data - in.data) - MSGPACK_HEAD;
    size_t room = entries.text.len + (entries.text.len >> GZIP_SHIFT) + GZIP_BYTES;
    put_all(out, in.data, head + MSGPACK_HEAD);
    char *p = buf_room(out, room + left.len);
    if (!p)
        abort(); /* as put_all */
    size_t len = compress_into(p, room, entries.text);
    buf_used(out, len);
    msgpack_put_head32(out->data + head, 0xc6, len);
    put_all(out, left.data, left.len);
}

const struct encoder_ops encoder_fluent = {
    .name = "fluent",
    .help = "messages of the Forward protocol (Fluentd, Fluent Bit)",
    .settings = settings,
    .conf_size = sizeof(struct fluent_conf),
    .end_bytes = OPTION_MAX,
    .sinks = (const char *const[]){"nats", "kafka", "http", "stdout", "file", "fluent", NULL},
    .open = fluent_open,
    .content_type = fluent_content_type,
    .max_samples = fluent_max_samples,
    .begin = fluent_begin,
    .end = fluent_end,
    .constant = fluent_constant,
    .append = fluent_append,
    .append_ended = fluent_append_ended,
    .finish = fluent_finish,
    .finish_max = fluent_finish_max,
    .close = fluent_close,
};
