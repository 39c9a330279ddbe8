/* SPDX-License-Identifier: Apache-2.0 */
/* doc.h - a resolved configuration as a tree of text, from which every description is
 * written. */
#ifndef DOC_H
#define DOC_H

#include "config.h"

enum doc_type {
    DOC_STRING, /* free text: quoted where it is written */
    DOC_WORD,   /* a choice, a duration, a size, an infinite number */
    DOC_NUMBER,
    DOC_BOOL,
    DOC_LIST,
    DOC_MAP
};

struct doc {
    enum doc_type type;
    bool is_default;   /* what it would be if the file did not say it */
    bool is_group;     /* a MAP with keys of a table, not of the operator's */
    bool is_kind;      /* a MAP whose key names a source, filter, encoder or sink */
    char *key;         /* in a map */
    char *text;        /* of all but LIST and MAP; secrets as "***", or file:PATH */
    struct doc *items; /* of LIST and MAP */
    size_t len;
};

/* The whole of c: a map of agent, sources, pools and sinks, as the file would say it.
 * ERR_LIMIT: a value is longer than a description may be. */
enum status doc_new(struct doc **ret, const struct config *c) NODISCARD;
void doc_free(struct doc *d); /* NULL is fine */
DEFINE_AUTO_PTR(doc, doc_free)

const struct doc *doc_kind(const struct doc *map); /* under the key that names a kind */
const struct doc *doc_get(const struct doc *map, const char *key); /* or NULL */
const char *doc_text(const struct doc *map, const char *key);      /* "" where there is none */

/* Hands on each setting of a map as a short text: "min -50", "tls.verify true*"; a '*' is behind
 * what is the default, a default of nothing is left out, and so are the keys in but (ended by
 * NULL; may be NULL). */
typedef enum status doc_piece(void *to, const char *piece);
enum status doc_pieces(const struct doc *map, const char *const *but, doc_piece *put,
                       void *to) NODISCARD;

enum status doc_write_yaml(const struct doc *d, struct buf *out) NODISCARD;
enum status doc_write_json(const struct doc *d, struct buf *out) NODISCARD;
enum status doc_write_text(const struct doc *d, struct buf *out) NODISCARD;
enum status doc_write_dot(const struct doc *d, struct buf *out) NODISCARD;

#endif
