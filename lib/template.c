/* SPDX-License-Identifier: Apache-2.0 */
/* template.c - text with names in braces; the contract is in template.h. */
#include "template.h"

#include "mem.h"

/* A piece is text, then a name; the last one may lack the name. */
struct piece {
    char *text;
    char *name; /* NULL: none */
};

struct template
{
    char *fallback;
    template_legal *legal;
    struct piece *pieces;
    size_t len;
};

/* Takes the piece at *at, a place in text, and moves *at behind it. */
static enum status parse_piece(const char *text, const char **at, struct piece *ret,
                               struct err *err)
{
    size_t plain = strcspn(*at, "{}");
    const char *open = *at + plain;
    size_t column = (size_t)(open - text) + 1;
    if (*open == '}')
        return err_set(err, ERR_INVALID, "column %zu: '}' without '{'", column);
    struct span name = {open + 1, 0};
    if (*open) {
        name.len = strcspn(name.data, "{}");
        if (name.data[name.len] != '}')
            return err_set(err, ERR_INVALID, "column %zu: '{' is not closed", column);
        if (name.len == 0)
            return err_set(err, ERR_INVALID, "column %zu: no name between the braces", column);
        if (!text_is_label_name(name))
            return err_set(err, ERR_INVALID, "column %zu: '%.*s' is no name of a label", column,
                           (int)name.len, name.data);
    }
    *ret = (struct piece){mem_strndup(*at, plain), *open ? mem_strndup(name.data, name.len) : NULL};
    *at = *open ? name.data + name.len + 1 : open;
    return OK;
}

enum status template_new(struct template **ret, const char *text, const char *fallback,
                         template_legal *legal, struct err *err)
{
    if (strlen(text) > TEMPLATE_MAX)
        return err_set(err, ERR_INVALID, "longer than %d bytes", TEMPLATE_MAX);
    AUTO_PTR(template) struct template *t = mem_alloc(sizeof *t);
    t->fallback = mem_strdup(fallback);
    t->legal = legal;
    for (const char *at = text; *at;) {
        t->pieces = mem_realloc(t->pieces, (t->len + 1) * sizeof *t->pieces);
        enum status s = parse_piece(text, &at, &t->pieces[t->len], err);
        if (s != OK)
            return s;
        t->len++;
    }
    *ret = t;
    t = NULL;
    return OK;
}

void template_free(struct template *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->len; i++) {
        mem_free(t->pieces[i].text);
        mem_free(t->pieces[i].name);
    }
    mem_free(t->pieces);
    mem_free(t->fallback);
    mem_free(t);
}

/* host:port of a URL. */
static struct span authority(const char *url)
{
    const char *at = url ? strstr(url, "://") : NULL;
    if (!at)
        return (struct span){NULL, 0};
    at += 3;
    size_t len = strcspn(at, "/?#");
    const char *user = memchr(at, '@', len);
    if (user) {
        len -= (size_t)(user + 1 - at);
        at = user + 1;
    }
    return (struct span){at, len};
}

static struct span text(const char *s)
{
    return (struct span){s, s ? strlen(s) : 0};
}

static struct span find_value(const struct target *t, const char *name)
{
    if (strcmp(name, "pool") == 0)
        return text(t->pool);
    if (strcmp(name, "source") == 0)
        return text(t->source);
    if (strcmp(name, "target") == 0)
        return text(t->id);
    for (size_t i = 0; i < t->labels_len; i++)
        if (strcmp(t->labels[i].name, name) == 0)
            return text(t->labels[i].value);
    if (strcmp(name, "instance") == 0)
        return authority(t->url);
    if (strcmp(name, "job") == 0)
        return text(t->source);
    return (struct span){NULL, 0};
}

static enum status add_value(const struct template *t, struct span value, struct buf *out)
{
    if (value.len == 0)
        return buf_puts(out, t->fallback);
    char *room = buf_room(out, value.len);
    if (!room)
        return ERR_LIMIT;
    for (size_t i = 0; i < value.len; i++)
        room[i] = t->legal((unsigned char)value.data[i]) ? value.data[i] : '_';
    buf_used(out, value.len);
    return OK;
}

enum status template_render(const struct template *t, const struct target *target, struct buf *out)
{
    for (size_t i = 0; i < t->len; i++) {
        const struct piece *p = &t->pieces[i];
        enum status s = buf_puts(out, p->text);
        if (s == OK && p->name)
            s = add_value(t, find_value(target, p->name), out);
        if (s != OK)
            return s;
    }
    return OK;
}
