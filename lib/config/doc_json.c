/* SPDX-License-Identifier: Apache-2.0 */
/* doc_json.c - a description as JSON: the configuration, and under "defaults" the paths of all
 * that the file need not say. */
#include "doc.h"
#include "json_out.h"
#include "number.h"

#define PATH_MAX_BYTES 1024

static void write_number(struct json_out *j, const char *key, const char *text)
{
    double d = 0;
    if (text[strspn(text, "-0123456789")] == '\0')
        json_out_int(j, key, strtoll(text, NULL, 10));
    else if (number_parse((struct span){text, strlen(text)}, &d, NULL) == OK)
        json_out_double(j, key, d);
    else
        json_out_string(j, key, text);
}

static void write_doc(struct json_out *j, const struct doc *d)
{
    bool map = d->type == DOC_MAP;
    if (map || d->type == DOC_LIST) {
        json_out_open(j, d->key, map ? '{' : '[');
        for (size_t i = 0; i < d->len; i++)
            write_doc(j, &d->items[i]);
        json_out_close(j, map ? '}' : ']');
    } else if (d->type == DOC_BOOL) {
        json_out_bool(j, d->key, strcmp(d->text, "true") == 0);
    } else if (d->type == DOC_NUMBER) {
        write_number(j, d->key, d->text);
    } else {
        json_out_string(j, d->key, d->text);
    }
}

/* Entries of a list go by their name where they have one. */
static void write_defaults(struct json_out *j, const struct doc *d, struct buf *path)
{
    size_t mark = path->len;
    for (size_t i = 0; i < d->len && j->status == OK; i++) {
        const struct doc *item = &d->items[i];
        const char *name = item->key ? item->key : doc_text(item, "name");
        enum status s = name[0] ? buf_cat(path, mark ? "." : "", name, NULL)
                                : buf_printf(path, "%s%zu", mark ? "." : "", i);
        if (s == OK && item->is_default)
            json_out_string(j, NULL, path->data);
        else if (s == OK)
            write_defaults(j, item, path);
        buf_truncate(path, mark);
    }
}

enum status doc_write_json(const struct doc *d, struct buf *out)
{
    AUTO(buf) struct buf path = BUF_INIT(PATH_MAX_BYTES);
    struct json_out j = JSON_OUT(out);
    json_out_open(&j, NULL, '{');
    for (size_t i = 0; i < d->len; i++)
        write_doc(&j, &d->items[i]);
    json_out_open(&j, "defaults", '[');
    write_defaults(&j, d, &path);
    json_out_close(&j, ']');
    json_out_close(&j, '}');
    return j.status == OK ? buf_puts(out, "\n") : j.status;
}
