/* SPDX-License-Identifier: Apache-2.0 */
/* doc_dot.c - a description as a graph, for graphviz:
 *     strata-agent describe FILE --format dot | dot -Tsvg > pipeline.svg  */
#include "doc.h"

#define LABEL_MAX 4096

/* Each setting on a line of its own, left aligned. */
static enum status add_line(void *to, const char *piece)
{
    struct buf *label = to;
    if (buf_cat(label, "\n", piece, NULL) != OK && label->len < label->max - 4)
        return buf_puts(label, "\n...");
    return OK; /* a label is to be looked at, not to hold it all */
}

/* In dot's strings only '"' and '\' mean something; "\l" ends a line on the left. */
static enum status quote(struct buf *out, const char *text)
{
    enum status s = buf_puts(out, "\"");
    for (; *text && s == OK; text++) {
        if (*text == '\n')
            s = buf_puts(out, "\\l");
        else if (*text == '"' || *text == '\\')
            s = buf_printf(out, "\\%c", *text);
        else
            s = buf_add(out, text, 1);
    }
    return s == OK ? buf_puts(out, "\\l\"") : s;
}

/* id is made of names, which need no escapes. */
static enum status add_node(struct buf *out, const char *id, const char *shape, const char *title,
                            const struct doc *map, const char *const *but)
{
    AUTO(buf) struct buf label = BUF_INIT(LABEL_MAX);
    enum status s = buf_puts(&label, title);
    if (s == OK)
        s = doc_pieces(map, but, add_line, &label);
    if (s == OK)
        s = buf_cat(out, "  \"", id, "\" [shape=", shape, ", label=", NULL);
    if (s == OK)
        s = quote(out, label.data);
    return s == OK ? buf_puts(out, "];\n") : s;
}

static enum status add_edge(struct buf *out, const char *from, const char *to)
{
    return buf_cat(out, "  \"", from, "\" -> \"", to, "\";\n", NULL);
}

struct id {
    char text[400];
};

static struct id make_id(const char *what, const char *name, const char *more)
{
    struct id id;
    snprintf(id.text, sizeof id.text, "%.140s %.100s%s%.100s", what, name, more[0] ? "/" : "",
             more);
    return id;
}

static enum status add_source(const struct doc *d, struct buf *out)
{
    const struct doc *kind = doc_kind(d);
    const char *const but[] = {"name", "pool", "http", kind->key, NULL};
    struct id id = make_id("source", doc_text(d, "name"), "");
    struct id title = make_id(id.text, kind->key, "");
    enum status s = add_node(out, id.text, "ellipse", title.text, d, but);
    return s == OK ? add_edge(out, id.text, make_id("pool", doc_text(d, "pool"), "").text) : s;
}

static enum status add_output(const char *pool, const char *last, const struct doc *d,
                              struct buf *out)
{
    const struct doc *encoder = doc_kind(d);
    const char *const but[] = {"name", "sink", encoder->key, NULL};
    struct id id = make_id("output", pool, doc_text(d, "name"));
    struct id title = make_id("output", doc_text(d, "name"), encoder->key);
    enum status s = add_node(out, id.text, "box", title.text, d, but);
    if (s == OK)
        s = add_edge(out, last, id.text);
    return s == OK ? add_edge(out, id.text, make_id("sink", doc_text(d, "sink"), "").text) : s;
}

static enum status add_pool(const struct doc *d, struct buf *out)
{
    static const char *const but[] = {"name", "filters", "outputs", "limits", NULL};
    const struct doc *filters = doc_get(d, "filters"), *outputs = doc_get(d, "outputs");
    const char *name = doc_text(d, "name");
    struct id last = make_id("pool", name, "");
    enum status s = add_node(out, last.text, "box3d", last.text, d, but);
    for (size_t i = 0; i < filters->len && s == OK; i++) {
        char number[24];
        const struct doc *kind = doc_kind(&filters->items[i]);
        snprintf(number, sizeof number, "%zu", i + 1);
        struct id id = make_id("filter", name, number);
        s = add_node(out, id.text, "box", kind->key, kind, NULL);
        if (s == OK)
            s = add_edge(out, last.text, id.text);
        last = id;
    }
    for (size_t i = 0; i < outputs->len && s == OK; i++)
        s = add_output(name, last.text, &outputs->items[i], out);
    return s;
}

static enum status add_sink(const struct doc *d, struct buf *out)
{
    const struct doc *kind = doc_kind(d);
    const char *name = doc_text(d, "name");
    return add_node(out, make_id("sink", name, "").text, "cylinder",
                    make_id("sink", name, kind->key).text, kind, NULL);
}

enum status doc_write_dot(const struct doc *d, struct buf *out)
{
    const struct doc *sources = doc_get(d, "sources"), *pools = doc_get(d, "pools");
    const struct doc *sinks = doc_get(d, "sinks");
    enum status s =
        buf_puts(out, "digraph strata {\n  rankdir=LR;\n  node [fontname=monospace];\n");
    for (size_t i = 0; i < sources->len && s == OK; i++)
        s = add_source(&sources->items[i], out);
    for (size_t i = 0; i < pools->len && s == OK; i++)
        s = add_pool(&pools->items[i], out);
    for (size_t i = 0; i < sinks->len && s == OK; i++)
        s = add_sink(&sinks->items[i], out);
    return s == OK ? buf_puts(out, "}\n") : s;
}
