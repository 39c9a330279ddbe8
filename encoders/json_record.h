/* SPDX-License-Identifier: Apache-2.0 */
/* json_record.h - a record of the json encoder, in parts; for json.c and json_lz4.c only. */
#ifndef JSON_RECORD_H
#define JSON_RECORD_H

#include "encoder.h"

enum json_mode { JSON_NDJSON, JSON_ARRAY, JSON_SINGLE };

#define JSON_TYPE_ROOM 40

struct json {
    enum json_mode mode;
    bool array; /* mode is JSON_ARRAY */
    bool help;
    char types[SERIES_KINDS][JSON_TYPE_ROOM]; /* of a head, what stands between name and tags */
    uint8_t types_len[SERIES_KINDS];
};

#define LEN(text) (sizeof text - 1)
#define TEXT(s)   ((struct span){s, LEN(s)})

#define HEAD_START  "{\"name\":\""
#define HEAD_END    "},\"timestamp\":\""
#define JSON_MIDDLE "\",\"value\":" /* between time and value */

/* A constant part. */
struct json_constant {
    uint32_t head_len; /* when written */
    uint8_t kind;
    uint8_t texts;  /* in lens: of the key; 0: the head stands there instead */
    uint8_t lens[]; /* the tail is behind them */
};
#define CONSTANT_ROOM offsetof(struct json_constant, lens)

/* An object; the time goes between head and middle. */
struct json_record {
    const struct series *series;
    int64_t ts_ms;
    struct span constant, middle, what;
    bool quoted; /* what */
};

static inline char *json_put(char *p, const char *data, size_t len)
{
    memcpy(p, data, len);
    return p + len;
}

/* What is kept of the head, and the tail. */
static inline struct span json_tail(struct span constant)
{
    const struct json_constant *c = (const void *)constant.data;
    const char *tail = (const char *)c->lens + (c->texts ? c->texts : c->head_len);
    return (struct span){tail, (size_t)(constant.data + constant.len - tail)};
}

/* Of a tail, the help; the unit's member stands before it. */
struct span json_help(const struct json *j, const struct series *s, struct span tail);

enum status json_add_head(const struct json *j, const struct series *s, struct span constant,
                          struct buf *out);
enum status json_add_extra(struct buf *out, const struct sample_extra *x); /* its members */

/* json_lz4.c: as append, append_ended and end, into m->lz4. */
enum status json_lz4_append(const struct json *j, struct message *m, const struct json_record *r,
                            const struct sample_extra *x);
enum status json_lz4_append_ended(const struct json *j, struct message *m,
                                  const struct json_record *r);
void json_lz4_end(struct lz4_message *m);

#endif
