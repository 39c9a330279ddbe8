/* SPDX-License-Identifier: Apache-2.0 */
#include "faults.h"

#include "mem.h"

#include <stdarg.h>

#define FAULT_TEXT 800 /* bytes */

/* Much of a fault is what somebody wrote into a file; a terminal is to show it. */
static void clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == '\x7f')
            *text = '?';
}

void fault_add_at(struct faults *f, unsigned line, unsigned column, const char *text)
{
    if (f->len == FAULTS_MAX) {
        f->more++;
        return;
    }
    f->items = mem_realloc(f->items, (f->len + 1) * sizeof *f->items);
    f->items[f->len] = (struct fault){line, column, mem_strdup(text)};
    clean(f->items[f->len++].text);
}

void fault_add(struct faults *f, const struct yaml_node *at, const char *fmt, ...)
{
    char text[FAULT_TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fault_add_at(f, at ? at->line : 0, at ? at->column : 0, text);
}

size_t fault_count(const struct faults *f)
{
    return f->len + f->more;
}

static int by_place(const void *left, const void *right)
{
    const struct fault *a = left, *b = right;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return strcmp(a->text, b->text);
}

void faults_sort(struct faults *f)
{
    if (f->len > 1)
        qsort(f->items, f->len, sizeof *f->items, by_place);
}

void faults_done(struct faults *f)
{
    for (size_t i = 0; i < f->len; i++)
        mem_free(f->items[i].text);
    mem_free(f->items);
    *f = (struct faults){0};
}

void faults_print(const struct faults *f, const char *path, struct buf *out)
{
    enum status s = OK;
    for (size_t i = 0; i < f->len && s == OK; i++) {
        const struct fault *x = &f->items[i];
        if (x->line)
            s = buf_printf(out, "%s:%u:%u: %s\n", path, x->line, x->column, x->text);
        else
            s = buf_printf(out, "%s: %s\n", path, x->text);
    }
    if (f->more && s == OK)
        s = buf_printf(out, "%s: and %zu more\n", path, f->more);
    (void)s; /* what does not fit is left out */
}
