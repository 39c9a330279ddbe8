/* SPDX-License-Identifier: Apache-2.0 */
#include "check_parts.h"

#include "mem.h"

enum { MAX_TOKEN = 80 };

struct check *check_new(const struct check_conf *conf)
{
    struct check *c = mem_alloc(sizeof *c);
    c->conf = *conf;
    promtext_init(&c->text, (struct span){"", 0});
    c->text.format = conf->format;
    c->text.exact = !conf->lenient;
    c->text.quoted = true;
    c->text.version2 = conf->version2;
    c->text.max_line = conf->max_line;
    c->name = c->scratch = (struct buf)BUF_INIT(SIZE_MAX / 2);
    check_set_init(&c->families);
    check_set_init(&c->names);
    check_set_init(&c->series);
    check_set_init(&c->parts);
    idmap_init(&c->stash);
    check_family_init(c);
    return c;
}

void check_free(struct check *c)
{
    if (!c)
        return;
    c->conf.fault = NULL; /* what is missing was found, or nobody asked */
    check_point_end(c);
    idmap_done(&c->stash);
    check_family_done(c);
    check_set_done(&c->families);
    check_set_done(&c->names);
    check_set_done(&c->series);
    check_set_done(&c->parts);
    buf_done(&c->name);
    buf_done(&c->scratch);
    mem_free(c);
}

static void tell(struct check *c, struct check_fault f)
{
    c->found++;
    if (f.token.len > MAX_TOKEN)
        f.token.len = MAX_TOKEN;
    if (c->conf.fault)
        c->conf.fault(c->conf.of, &f);
}

void check_fault_before(struct check *c, size_t line, size_t column, struct span token,
                        const char *rule, const char *what)
{
    tell(c, (struct check_fault){line, column, token, rule, what, false});
}

void check_fault_missing(struct check *c, size_t line, size_t column, struct span token,
                         const char *rule, const char *what)
{
    tell(c, (struct check_fault){line, column, token, rule, what, true});
}

static bool ends_token(char c)
{
    return (unsigned char)c <= ' ' || strchr("\"{},=", c);
}

/* At least a byte of what is not the line's end. */
static struct span token_at(const struct check *c, const char *at)
{
    const char *end = c->raw.data + c->raw.len, *p = at;
    if (p < end && *p != '\n')
        p++;
    while (p > at && !ends_token(*at) && p < end && !ends_token(*p))
        p++;
    return (struct span){at, (size_t)(p - at)};
}

void check_fault_here(struct check *c, const char *at, const char *rule, const char *what)
{
    c->bad = true;
    check_fault_before(c, c->lines, (size_t)(at - c->raw.data) + 1, token_at(c, at), rule, what);
}

/* Nothing that this line might have said is missing. */
static void spoil(struct check *c)
{
    c->family.spoiled = true;
}

static void take_sample(struct check *c)
{
    struct check_sample s;
    if (!check_belongs(c, &s.role)) {
        spoil(c);
        return;
    }
    check_sample(c, &s);
    if (!c->bad)
        check_point_add(c, &s);
    if (c->bad && !c->there)
        spoil(c);
}

static void take(struct check *c)
{
    c->of_family = c->line.item != PROMTEXT_EOF;
    switch (c->line.item) {
    case PROMTEXT_SAMPLE: take_sample(c); break;
    case PROMTEXT_TYPE:
    case PROMTEXT_HELP:
    case PROMTEXT_UNIT: check_metadata(c); break;
    case PROMTEXT_EOF: c->eof = true; break;
    }
    if (!c->bad && !c->family.lost && c->conf.line)
        c->conf.line(c->conf.of, c->lines, &c->line);
}

static bool has_bom(struct span line)
{
    return line.len >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0;
}

static void look_behind_eof(struct check *c, struct span line)
{
    c->behind_eof = !c->conf.lenient || promtext_next(&c->text, &c->line, NULL) != ERR_CLOSED;
    if (c->behind_eof && !c->told_after_eof)
        check_fault_here(c, line.data, "after-eof", "nothing stands behind # EOF");
    c->told_after_eof |= c->behind_eof;
}

size_t check_line(struct check *c, struct span line)
{
    size_t before = c->found;
    c->lines++;
    c->raw = line;
    c->bad = c->there = c->of_family = c->behind_eof = c->bad_exemplar = false;
    c->unended = line.len > 0 && line.len <= c->conf.max_line && line.data[line.len - 1] != '\n';
    c->text.start = c->text.at = line.data;
    c->text.end = line.data + line.len;
    if (c->eof) {
        look_behind_eof(c, line);
        return c->found - before;
    }
    if (c->lines == 1 && has_bom(line)) {
        check_fault_here(c, line.data, "bom", "a page has no byte order mark");
        if (c->conf.lenient)
            return c->found - before; /* what it says is not taken */
        c->text.at += 3;
    }
    enum status s = promtext_next(&c->text, &c->line, NULL);
    if (s == OK) {
        take(c);
    } else if (s != ERR_CLOSED) {
        check_fault_here(c, c->text.bad, c->text.rule, c->text.what);
        spoil(c);
    }
    return c->found - before;
}

bool check_is_sound(const struct check *c)
{
    return !c->bad && !c->behind_eof && !(c->of_family && c->family.lost);
}

bool check_spoils_exemplar(const struct check *c)
{
    return c->bad_exemplar;
}

size_t check_end(struct check *c)
{
    size_t before = c->found;
    check_family_end(c);
    struct span none = {"", 0};
    if (check_is_metrics(c) && !c->eof)
        check_fault_missing(c, c->lines + 1, 1, none, "eof-missing",
                            "the page does not end with # EOF: it may be cut off");
    else if (!check_is_metrics(c) && c->unended)
        check_fault_missing(c, c->lines, c->raw.len + 1, none, "newline-missing",
                            "the last line does not end with a line feed");
    return c->found - before;
}

size_t check_unkept(const struct check *c)
{
    return c->unkept;
}

/* The first fault, for check_page. */
struct first {
    struct err *err;
    bool found;
};

static void keep_first(void *of, const struct check_fault *f)
{
    struct first *first = of;
    if (first->found)
        return;
    first->found = true;
    char token[MAX_TOKEN + 1];
    text_line(token, sizeof token, f->token);
    err_set(first->err, ERR_INVALID, "line %zu, column %zu: %s: %s (%s)", f->line, f->column, token,
            f->what, f->rule);
}

enum status check_page(const struct check_conf *conf, struct span page, struct err *err)
{
    struct first first = {.err = err};
    struct check_conf own = *conf;
    own.of = &first;
    own.fault = keep_first;
    own.family = NULL;
    own.line = NULL;
    AUTO_PTR(check) struct check *c = check_new(&own);
    const char *at = page.data, *end = page.data + page.len;
    while (at < end && !first.found) {
        const char *eol = memchr(at, '\n', (size_t)(end - at));
        const char *next = eol ? eol + 1 : end;
        check_line(c, (struct span){at, (size_t)(next - at)});
        at = next;
    }
    if (!first.found)
        check_end(c);
    return first.found ? ERR_INVALID : OK;
}
