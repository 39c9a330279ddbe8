/* SPDX-License-Identifier: Apache-2.0 */
/* doc_pieces.c - settings as short texts, for pictures. */
#include "doc.h"
#include "json_out.h"

#define PIECE_MAX ((size_t)1 << 20)

/* Words that need no quotes to be told apart. */
static bool is_simple(const char *s)
{
    return s[0] && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "_.:/-+%@[]")] == '\0';
}

/* A default of nothing tells nothing. */
static bool is_empty(const struct doc *d)
{
    return d->text ? d->text[0] == '\0' : d->len == 0;
}

static enum status add_value(const struct doc *d, struct buf *out)
{
    if (d->type != DOC_LIST && d->type != DOC_MAP)
        return d->type != DOC_STRING || is_simple(d->text) ? buf_puts(out, d->text)
                                                           : json_out_quote(out, d->text);
    bool map = d->type == DOC_MAP;
    enum status s = buf_puts(out, map ? "{" : "[");
    for (size_t i = 0, shown = 0; i < d->len && s == OK; i++) {
        const struct doc *in = &d->items[i];
        if (in->is_default && is_empty(in))
            continue;
        s = buf_cat(out, shown++ ? ", " : "", map ? in->key : "", map ? ": " : "", NULL);
        if (s == OK)
            s = add_value(in, out);
        if (s == OK && in->is_default)
            s = buf_puts(out, "*");
    }
    return s == OK ? buf_puts(out, map ? "}" : "]") : s;
}

static bool is_among(const char *const *words, const char *word)
{
    for (; words && *words; words++)
        if (strcmp(*words, word) == 0)
            return true;
    return false;
}

static enum status pieces(const struct doc *map, const char *const *but, struct buf *path,
                          doc_piece *put, void *to);

static enum status piece(const struct doc *d, struct buf *path, doc_piece *put, void *to)
{
    bool group = d->type == DOC_MAP && d->is_group;
    enum status s = buf_cat(path, d->key, group ? "." : " ", NULL);
    if (s != OK || group)
        return s == OK ? pieces(d, NULL, path, put, to) : s;
    s = add_value(d, path);
    if (s == OK)
        s = buf_puts(path, d->is_default ? "*" : "");
    return s == OK ? put(to, path->data) : s;
}

static enum status pieces(const struct doc *map, const char *const *but, struct buf *path,
                          doc_piece *put, void *to)
{
    enum status s = OK;
    size_t mark = path->len;
    for (size_t i = 0; i < map->len && s == OK; i++) {
        const struct doc *d = &map->items[i];
        if (is_among(but, d->key) || (is_empty(d) && d->is_default))
            continue;
        s = piece(d, path, put, to);
        buf_truncate(path, mark);
    }
    return s;
}

enum status doc_pieces(const struct doc *map, const char *const *but, doc_piece *put, void *to)
{
    AUTO(buf) struct buf path = BUF_INIT(PIECE_MAX);
    return pieces(map, but, &path, put, to);
}
