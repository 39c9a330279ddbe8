/* SPDX-License-Identifier: Apache-2.0 */
#include "promtext.h"

#include "clock.h"
#include "number.h"

void promtext_init(struct promtext *t, struct span body)
{
    *t = (struct promtext){
        .start = body.data, .at = body.data, .end = body.data + body.len, .max_line = SIZE_MAX};
}

/* The byte at t->at, NUL at the end.  A NUL in the text is nowhere allowed, so
 * the two need not be told apart. */
static char peek(const struct promtext *t)
{
    return t->at < t->end ? *t->at : '\0';
}

static bool refuse(struct promtext *t, const char *bad, const char *what)
{
    t->bad = bad;
    t->what = what;
    return false;
}

static bool eat(struct promtext *t, char c)
{
    if (t->at == t->end || *t->at != c)
        return false;
    t->at++;
    return true;
}

static void skip_blanks(struct promtext *t)
{
    while (peek(t) == ' ' || peek(t) == '\t')
        t->at++;
}

static void skip_line(struct promtext *t)
{
    const char *eol = t->at < t->end ? memchr(t->at, '\n', (size_t)(t->end - t->at)) : NULL;
    t->at = eol ? eol + 1 : t->end;
}

/* Newline, CR newline, or the end of the text. */
static bool end_of_line(struct promtext *t)
{
    const char *before = t->at;
    eat(t, '\r');
    if (t->at == t->end || eat(t, '\n'))
        return true;
    t->at = before;
    return false;
}

static bool is_name_byte(char c, bool first, bool colon)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':') ||
           (!first && c >= '0' && c <= '9');
}

/* [a-zA-Z_][a-zA-Z0-9_]*, with ':' as well if colon. */
static bool read_name(struct promtext *t, bool colon, struct span *ret)
{
    const char *start = t->at;
    while (is_name_byte(peek(t), t->at == start, colon))
        t->at++;
    *ret = (struct span){start, (size_t)(t->at - start)};
    return t->at > start || refuse(t, start, colon ? "no metric name" : "no label name");
}

/* What stands between two '"'; the first is eaten. */
static bool read_quoted(struct promtext *t, struct promtext_label *ret)
{
    const char *start = t->at;
    ret->escaped = false;
    for (; t->at < t->end && *t->at != '"' && *t->at != '\n'; t->at++) {
        if (*t->at == '\\') {
            ret->escaped = true;
            t->at++;
            if (t->at == t->end || *t->at == '\n')
                break;
        }
    }
    ret->value = (struct span){start, (size_t)(t->at - start)};
    if (!eat(t, '"'))
        return refuse(t, t->at, "the label value is not closed");
    return text_is_utf8(ret->value) || refuse(t, start, "the label value is not UTF-8");
}

static bool read_label(struct promtext *t, struct promtext_label *ret)
{
    if (!read_name(t, false, &ret->name))
        return false;
    skip_blanks(t);
    if (!eat(t, '='))
        return refuse(t, t->at, "no '=' after the label name");
    skip_blanks(t);
    if (!eat(t, '"'))
        return refuse(t, t->at, "no '\"' before the label value");
    return read_quoted(t, ret);
}

static const char too_many_labels[] = "too many labels";

/* Up to the '}'; the '{' is eaten. */
static bool read_labels(struct promtext *t, struct promtext_line *ret)
{
    for (;;) {
        skip_blanks(t);
        if (eat(t, '}'))
            return true;
        if (ret->labels_len == PROMTEXT_LABELS)
            return refuse(t, t->at, too_many_labels);
        if (!read_label(t, &ret->labels[ret->labels_len]))
            return false;
        ret->labels_len++;
        skip_blanks(t);
        if (!eat(t, ',') && peek(t) != '}')
            return refuse(t, t->at, "neither ',' nor '}' after a label");
    }
}

/* A token ends at a blank or control character. */
static struct span read_token(struct promtext *t)
{
    const char *start = t->at;
    while (t->at < t->end && (unsigned char)*t->at > ' ')
        t->at++;
    return (struct span){start, (size_t)(t->at - start)};
}

static bool read_timestamp(struct promtext *t, struct promtext_value *ret)
{
    struct span s = read_token(t);
    bool negative = s.len > 0 && s.data[0] == '-';
    int64_t ms = 0;
    for (size_t i = negative; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return refuse(t, s.data, "the timestamp is no integer");
        ms = ms * 10 + (s.data[i] - '0');
        if (ms > CLOCK_MAX_MS)
            return refuse(t, s.data, "the timestamp is out of range");
    }
    if (s.len == (size_t)negative)
        return refuse(t, s.data, "the timestamp is no integer");
    ret->ts_ms = negative ? -ms : ms;
    ret->has_ts = true;
    return ret->ts_ms >= CLOCK_MIN_MS || refuse(t, s.data, "the timestamp is out of range");
}

bool promtext_value(struct promtext *t, struct promtext_value *ret)
{
    bool plain;
    struct span number = read_token(t);
    if (number_parse(number, &ret->number, &plain) != OK)
        return refuse(t, number.data, number.len ? "the value is no number" : "no value");
    ret->text = plain ? number : (struct span){NULL, 0};
    ret->ts_ms = 0;
    ret->has_ts = false;
    if (eat(t, '\n')) /* nearly always */
        return true;
    skip_blanks(t);
    if (end_of_line(t))
        return true;
    if (!read_timestamp(t, ret))
        return false;
    skip_blanks(t);
    return end_of_line(t) || refuse(t, t->at, "more text behind the timestamp");
}

static bool read_sample(struct promtext *t, struct promtext_line *ret)
{
    ret->item = PROMTEXT_SAMPLE;
    ret->labels_len = 0;
    if (!read_name(t, true, &ret->name))
        return false;
    skip_blanks(t);
    if (eat(t, '{') && !read_labels(t, ret))
        return false;
    skip_blanks(t);
    ret->value_at = t->at;
    /* "a1" is the name a1, so at least a blank or a '}' must stand before. */
    if (t->at[-1] != ' ' && t->at[-1] != '\t' && t->at[-1] != '}')
        return refuse(t, t->at, "neither '{' nor a blank after the name");
    return promtext_value(t, &ret->value);
}

/* Word after '#': fills ret->item; false for a comment that says nothing. */
static bool read_keyword(struct promtext *t, struct promtext_line *ret)
{
    static const struct {
        const char *word;
        enum promtext_item item;
    } words[] = {
        {"HELP", PROMTEXT_HELP},
        {"TYPE", PROMTEXT_TYPE},
        {"UNIT", PROMTEXT_UNIT},
    };
    struct span word = read_token(t);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (span_is(word, words[i].word)) {
            ret->item = words[i].item;
            return true;
        }
    }
    return false;
}

static bool read_kind(struct promtext *t, struct promtext_line *ret)
{
    for (int k = 0; k < SERIES_KINDS; k++) {
        if (span_is(ret->text, series_kind_name((enum series_kind)k))) {
            ret->kind = (enum series_kind)k;
            return true;
        }
    }
    ret->kind = SERIES_UNTYPED;
    return span_is(ret->text, "unknown") || refuse(t, ret->text.data, "no such type");
}

/* Behind the keyword: a name, a blank, and the rest of the line is the text. */
static bool read_described(struct promtext *t, struct promtext_line *ret)
{
    skip_blanks(t);
    if (!read_name(t, true, &ret->name))
        return false;
    if ((unsigned char)peek(t) > ' ')
        return refuse(t, t->at, "no blank after the name");
    skip_blanks(t);
    const char *start = t->at;
    skip_line(t);
    const char *end = t->at;
    if (end > start && end[-1] == '\n')
        end--;
    if (end > start && end[-1] == '\r')
        end--;
    ret->text = (struct span){start, (size_t)(end - start)};
    if (ret->item == PROMTEXT_HELP)
        return true;
    while (ret->text.len > 0 && (unsigned char)start[ret->text.len - 1] <= ' ')
        ret->text.len--;
    return ret->item == PROMTEXT_UNIT || read_kind(t, ret);
}

static enum status report(struct promtext *t, const char *line, struct err *err)
{
    enum status s = t->what == too_many_labels ? ERR_LIMIT : ERR_INVALID;
    if (err) {
        size_t number = 1;
        for (const char *p = t->start; p < line; p++)
            number += *p == '\n';
        err_set(err, s, "line %zu, column %zu: %s", number, (size_t)(t->bad - line) + 1, t->what);
    }
    t->at = line;
    skip_line(t);
    return s;
}

/* Looked for only in what is left of a body that could hold such a line. */
static bool is_too_long(struct promtext *t)
{
    size_t max = t->max_line;
    if ((size_t)(t->end - t->at) <= max || memchr(t->at, '\n', max + 1))
        return false;
    return !refuse(t, t->at + max, "the line is too long");
}

enum status promtext_next(struct promtext *t, struct promtext_line *ret, struct err *err)
{
    while (t->at < t->end) {
        const char *line = t->at;
        if (is_too_long(t))
            return report(t, line, err);
        skip_blanks(t);
        if (end_of_line(t))
            continue;
        if (!eat(t, '#'))
            return read_sample(t, ret) ? OK : report(t, line, err);
        skip_blanks(t);
        if (read_keyword(t, ret))
            return read_described(t, ret) ? OK : report(t, line, err);
        skip_line(t);
    }
    return ERR_CLOSED;
}

size_t promtext_unescape(char *out, struct span text)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i], after = i + 1 < text.len ? text.data[i + 1] : '\0';
        if (c == '\\' && (after == '\\' || after == '"' || after == 'n')) {
            c = after == 'n' ? '\n' : after;
            i++;
        }
        out[len++] = c;
    }
    return len;
}
