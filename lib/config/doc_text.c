/* SPDX-License-Identifier: Apache-2.0 */
/* doc_text.c - a description for people: each source, and what becomes of its samples. */
#include "doc.h"

#define WIDTH 100

/* Pieces in lines; the first goes behind lead, each new line begins at indent. */
struct lines {
    struct buf *out;
    const char *lead;
    size_t indent, column;
};

static enum status add_piece(void *to, const char *piece)
{
    struct lines *l = to;
    size_t n = strlen(piece);
    enum status s;
    if (l->lead) {
        s = buf_puts(l->out, l->lead);
        l->lead = NULL;
    } else if (l->column + 2 + n < WIDTH) { /* a comma may follow */
        s = buf_puts(l->out, ", ");
        l->column += 2;
    } else {
        s = buf_printf(l->out, ",\n%*s", (int)l->indent, "");
        l->column = l->indent;
    }
    l->column += n;
    return s == OK ? buf_puts(l->out, piece) : s;
}

/* The settings of map and the end of the line; where there are none, only that. */
static enum status add_settings(const struct doc *map, const char *const *but, const char *lead,
                                size_t indent, struct buf *out)
{
    struct lines l = {.out = out, .lead = lead, .indent = indent, .column = indent};
    enum status s = doc_pieces(map, but, add_piece, &l);
    return s == OK ? buf_puts(out, "\n") : s;
}

/* Likewise, but no line at all where there are none. */
static enum status add_optional(const struct doc *map, const char *lead, size_t indent,
                                struct buf *out)
{
    struct lines l = {.out = out, .lead = lead, .indent = indent, .column = indent};
    enum status s = doc_pieces(map, NULL, add_piece, &l);
    return s == OK && !l.lead ? buf_puts(out, "\n") : s;
}

static enum status add_agent(const struct doc *root, struct buf *out)
{
    enum status s = buf_puts(out, "agent");
    return s == OK ? add_settings(doc_get(root, "agent"), NULL, "\n  ", 2, out) : s;
}

static enum status add_source(const struct doc *d, struct buf *out)
{
    const struct doc *kind = doc_kind(d);
    const char *const but[] = {"name", "pool", kind->key, NULL};
    enum status s = buf_cat(out, "\nsource ", doc_text(d, "name"), ": ", kind->key, NULL);
    if (s == OK)
        s = add_settings(kind, NULL, "\n  ", 2, out);
    if (s == OK)
        s = add_settings(d, but, "  ", 2, out);
    return s == OK ? buf_cat(out, "  -> pool ", doc_text(d, "pool"), "\n", NULL) : s;
}

static const struct doc *find_named(const struct doc *list, const char *name)
{
    for (size_t i = 0; i < list->len; i++)
        if (strcmp(doc_text(&list->items[i], "name"), name) == 0)
            return &list->items[i];
    return NULL;
}

static enum status add_filter(const struct doc *d, size_t number, struct buf *out)
{
    const struct doc *kind = doc_kind(d);
    enum status s = buf_printf(out, "  filter %zu: %s", number, kind->key);
    return s == OK ? add_settings(kind, NULL, "  ", strlen(kind->key) + 15, out) : s;
}

static enum status add_output(const struct doc *root, const struct doc *d, struct buf *out)
{
    const struct doc *encoder = doc_kind(d);
    const struct doc *sink = find_named(doc_get(root, "sinks"), doc_text(d, "sink"));
    const struct doc *kind = doc_kind(sink);
    const char *const but[] = {"name", "sink", encoder->key, NULL};
    const char *const sink_but[] = {"name", kind->key, NULL};
    enum status s = buf_printf(out, "  output %s%s", doc_text(d, "name"),
                               doc_get(d, "name")->is_default ? "*" : "");
    if (s == OK)
        s = add_settings(d, but, "\n    ", 4, out);
    if (s == OK)
        s = buf_cat(out, "    -> ", encoder->key, NULL);
    if (s == OK)
        s = add_settings(encoder, NULL, "  ", strlen(encoder->key) + 9, out);
    if (s == OK)
        s = buf_cat(out, "    -> sink ", doc_text(sink, "name"), ": ", kind->key, NULL);
    if (s == OK)
        s = add_settings(sink, sink_but, "\n       ", 7, out);
    return s == OK ? add_optional(kind, "       ", 7, out) : s;
}

static enum status add_pool(const struct doc *root, const struct doc *d, struct buf *out)
{
    static const char *const but[] = {"name", "filters", "outputs", NULL};
    const struct doc *filters = doc_get(d, "filters"), *outputs = doc_get(d, "outputs");
    enum status s = buf_cat(out, "\npool ", doc_text(d, "name"), NULL);
    if (s == OK)
        s = add_settings(d, but, "\n  ", 2, out);
    for (size_t i = 0; i < filters->len && s == OK; i++)
        s = add_filter(&filters->items[i], i + 1, out);
    for (size_t i = 0; i < outputs->len && s == OK; i++)
        s = add_output(root, &outputs->items[i], out);
    return s;
}

static bool is_used(const struct doc *root, const char *sink)
{
    const struct doc *pools = doc_get(root, "pools");
    for (size_t i = 0; i < pools->len; i++) {
        const struct doc *outputs = doc_get(&pools->items[i], "outputs");
        for (size_t k = 0; k < outputs->len; k++)
            if (strcmp(doc_text(&outputs->items[k], "sink"), sink) == 0)
                return true;
    }
    return false;
}

enum status doc_write_text(const struct doc *d, struct buf *out)
{
    const struct doc *sources = doc_get(d, "sources"), *pools = doc_get(d, "pools");
    const struct doc *sinks = doc_get(d, "sinks");
    enum status s = add_agent(d, out);
    for (size_t i = 0; i < sources->len && s == OK; i++)
        s = add_source(&sources->items[i], out);
    for (size_t i = 0; i < pools->len && s == OK; i++)
        s = add_pool(d, &pools->items[i], out);
    for (size_t i = 0; i < sinks->len && s == OK; i++)
        if (!is_used(d, doc_text(&sinks->items[i], "name")))
            s = buf_cat(out, "\nsink ", doc_text(&sinks->items[i], "name"), ": ",
                        doc_kind(&sinks->items[i])->key, ", which no output uses\n", NULL);
    return s == OK ? buf_puts(out, "\n* the default; defaults of nothing are left out\n") : s;
}
