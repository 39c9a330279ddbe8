/* SPDX-License-Identifier: Apache-2.0 */
/* metrics_out.c - lines and their escapes. */
#include "metrics_out.h"

#include "number.h"

#include <inttypes.h>

static void put(struct metrics_out *m, const char *text)
{
    if (m->status == OK)
        m->status = buf_puts(m->out, text);
}

/* A name with bytes that are no UTF-8 would cost the reader the whole page. */
static void escaped(struct metrics_out *m, const char *text, bool quotes)
{
    bool utf8 = text_is_utf8((struct span){text, strlen(text)});
    for (; *text && m->status == OK; text++) {
        if (*text == '\n')
            put(m, "\\n");
        else if (*text == '\\' || (*text == '"' && quotes))
            put(m, (char[]){'\\', *text, '\0'});
        else
            put(m, (char[]){(unsigned char)*text < 0x80 || utf8 ? *text : '?', '\0'});
    }
}

void metrics_out_family(struct metrics_out *m, const char *name, const char *type, const char *help)
{
    m->name = name;
    put(m, "# HELP ");
    put(m, name);
    put(m, " ");
    escaped(m, help, false);
    put(m, "\n# TYPE ");
    put(m, name);
    put(m, " ");
    put(m, type);
    put(m, "\n");
}

static void sample(struct metrics_out *m, const char *suffix, const struct label *labels,
                   const char *value)
{
    put(m, m->name);
    put(m, suffix);
    const char *before = "{";
    for (; labels && labels->name; labels++) {
        put(m, before);
        put(m, labels->name);
        put(m, "=\"");
        escaped(m, labels->value ? labels->value : "", true);
        put(m, "\"");
        before = ",";
    }
    put(m, *before == ',' ? "} " : " ");
    put(m, value);
    put(m, "\n");
}

void metrics_out_uint(struct metrics_out *m, const char *suffix, const struct label *labels,
                      uint64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, n);
    sample(m, suffix, labels, text);
}

void metrics_out_double(struct metrics_out *m, const char *suffix, const struct label *labels,
                        double d)
{
    char text[NUMBER_ROOM + 1];
    text[number_print(text, d)] = '\0';
    sample(m, suffix, labels, text);
}
