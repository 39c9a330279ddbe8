/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c - every table there is, for a terminal and for docs/SETTINGS.md. */
#include "config.h"
#include "kind.h"
#include "tables.h"

#define NAME_MAX_BYTES 200

struct writer {
    bool markdown;
    struct buf *out;
};

static enum status add_default(const struct setting *s, bool markdown, struct buf *out)
{
    const char *quote = markdown ? "`" : "";
    if (s->flags & SETTING_REQUIRED)
        return buf_puts(out, markdown ? "**required**" : "required");
    if (!s->def)
        return buf_cat(out, quote, s->type == SETTING_T_MAP ? "{}" : "[]", quote, NULL);
    return buf_cat(out, quote, s->def[0] ? s->def : "\"\"", quote, NULL);
}

/* What stands for itself in a cell. */
static enum status add_cell(const char *text, struct buf *out)
{
    enum status r = OK;
    for (; *text && r == OK; text++)
        r = *text == '|' ? buf_puts(out, "\\|") : buf_add(out, text, 1);
    return r;
}

static enum status add_row(const struct setting *s, const char *name, struct buf *out)
{
    const char *secret = s->flags & SETTING_SECRET ? ", secret" : "";
    enum status r =
        buf_cat(out, "| `", name, "` | ", setting_type_name(s->type), secret, " | ", NULL);
    if (r == OK)
        r = add_default(s, true, out);
    if (r == OK)
        r = buf_puts(out, " | ");
    if (r == OK)
        r = setting_bounds(s, out);
    if (r == OK)
        r = buf_puts(out, " | ");
    if (r == OK)
        r = add_cell(s->help, out);
    return r == OK ? buf_puts(out, " |\n") : r;
}

static enum status add_lines(const struct setting *s, const char *name, struct buf *out)
{
    AUTO(buf) struct buf bounds = BUF_INIT(4096);
    const char *secret = s->flags & SETTING_SECRET ? ", secret" : "";
    enum status r = setting_bounds(s, &bounds);
    if (r == OK)
        r = buf_printf(out, "  %-24s %s%s", name, setting_type_name(s->type), secret);
    if (r == OK && bounds.len)
        r = buf_cat(out, s->type == SETTING_T_CHOICE ? ": " : ", ", bounds.data, NULL);
    if (r == OK)
        r = buf_puts(out, s->flags & SETTING_REQUIRED ? "; " : "; default ");
    if (r == OK)
        r = add_default(s, false, out);
    return r == OK ? buf_cat(out, "\n      ", s->help, "\n", NULL) : r;
}

static enum status add_table(const struct writer *w, const struct setting *table,
                             const char *prefix)
{
    enum status r = OK;
    for (const struct setting *s = table; s->name && r == OK; s++) {
        char name[NAME_MAX_BYTES];
        bool group = s->type == SETTING_T_GROUP;
        snprintf(name, sizeof name, "%s%s", prefix, s->name);
        if (!group)
            r = w->markdown ? add_row(s, name, w->out) : add_lines(s, name, w->out);
        snprintf(name, sizeof name, "%s%s%s", prefix, s->name, group ? "." : "[].");
        if (r == OK && s->sub)
            r = add_table(w, s->sub, name);
    }
    return r;
}

static enum status add_section(const struct writer *w, const char *mark, const char *heading,
                               const char *help, const struct setting *table)
{
    enum status r = w->markdown
                        ? buf_cat(w->out, "\n", mark, " ", heading, "\n\n", help, "\n", NULL)
                        : buf_cat(w->out, "\n", heading, " - ", help, "\n", NULL);
    if (r != OK || !table->name)
        return r;
    if (w->markdown)
        r = buf_puts(w->out, "\n| setting | type | default | allowed | what it says |\n"
                             "|---|---|---|---|---|\n");
    return r == OK ? add_table(w, table, "") : r;
}

static enum status add_kinds(const struct writer *w, enum kind_set set)
{
    enum status r = OK;
    struct kind k = kind_at(set, 0);
    for (size_t i = 1; k.name && r == OK; i++) {
        char heading[NAME_MAX_BYTES], help[400];
        snprintf(heading, sizeof heading, "%s %s", kind_set_name(set), k.name);
        snprintf(help, sizeof help, "%s.", k.help);
        r = add_section(w, "###", heading, help, k.settings);
        k = kind_at(set, i);
    }
    return r;
}

static const char intro[] =
    "# Settings\n"
    "\n"
    "Written by `strata-agent settings --markdown`; a test compares.\n"
    "\n"
    "The configuration is one YAML file with the keys `agent`, `sources`, `pools` and `sinks`.\n"
    "An entry of `sources`, `sinks`, `filters` and `outputs` has one key more, which says its\n"
    "kind and holds the settings of that kind:\n"
    "`- {name: hosts, static: {targets: [\"http://127.0.0.1:9100/metrics\"]}, pool: main}`.\n"
    "Names are 1 to 63 of `a-z`, `0-9` and `-`.\n"
    "\n"
    "- durations carry a unit: `500ms`, `10s`, `5m`, `1h`; sizes may: `512`, `64KiB`, `5MiB`, "
    "`1GiB`\n"
    "- `${NAME}` in a value is that variable of the environment, and a fault when it is unset;\n"
    "  `${NAME:-text}` is `text` when it is unset or empty; `$$` is a dollar\n"
    "- a secret may be `file:PATH`: the file is read when it is needed, and again when it changes\n"
    "- `a.b` below is the key `b` in the map `a`, `a[].b` in each map of the list `a`\n";

static enum status add_sections(const struct writer *w)
{
    enum status r = add_section(w, "##", "agent", "The agent itself.", agent_settings);
    if (r == OK)
        r = add_section(w, "##", "sources", "A list: what there is to scrape.", source_settings);
    if (r == OK)
        r = add_kinds(w, KIND_SOURCE);
    if (r == OK)
        r = add_section(w, "##", "pools",
                        "A list: who scrapes, and what becomes of it. "
                        "Besides, the lists filters and outputs.",
                        pool_settings);
    if (r == OK)
        r = add_kinds(w, KIND_FILTER);
    if (r == OK)
        r = add_section(w, "##", "pools outputs",
                        "A list in each pool: an encoder and where its messages go.",
                        output_settings);
    if (r == OK)
        r = add_kinds(w, KIND_ENCODER);
    if (r == OK)
        r = add_section(w, "##", "sinks",
                        "A list: where messages can go. Each output has a "
                        "sink of its own, made by the entry it names.",
                        sink_settings);
    return r == OK ? add_kinds(w, KIND_SINK) : r;
}

enum status config_settings(bool markdown, struct buf *out)
{
    struct writer w = {.markdown = markdown, .out = out};
    enum status r = OK;
    if (markdown)
        r = buf_puts(out, intro);
    return r == OK ? add_sections(&w) : r;
}
