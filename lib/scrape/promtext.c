/* SPDX-License-Identifier: Apache-2.0 */
#include "promtext_read.h"

void promtext_init(struct promtext *t, struct span body)
{
    t->start = t->at = body.data;
    t->end = body.data + body.len;
    t->bad = t->what = t->rule = NULL;
    t->max_line = SIZE_MAX;
    t->format = FORMAT_TEXT;
    t->exact = t->quoted = t->version2 = false;
}

static void skip_line(struct promtext *t)
{
    const char *eol = t->at < t->end ? memchr(t->at, '\n', (size_t)(t->end - t->at)) : NULL;
    t->at = eol ? eol + 1 : t->end;
}

static const bool is_word[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['_'] = true, ['a' ... 'z'] = true};

static bool starts_name(char c, bool colon)
{
    return (is_word[(unsigned char)c] && !(c >= '0' && c <= '9')) || (colon && c == ':');
}

/* [a-zA-Z_][a-zA-Z0-9_]*, with ':' as well if colon. */
static bool read_name(struct promtext *t, bool colon, struct span *ret)
{
    const char *start = t->at, *at = start;
    if (starts_name(peek(t), colon))
        for (at++; at < t->end && (is_word[(unsigned char)*at] || (colon && *at == ':'));)
            at++;
    t->at = at;
    *ret = (struct span){start, (size_t)(at - start)};
    return at > start || refuse(t, start, colon ? "metric-name" : "label-name",
                                colon ? "no metric name" : "no label name");
}

/* As the grammars have it, where U+0000 is a character like any other. */
static bool is_text(const struct promtext *t, struct span s)
{
    if (!t->exact)
        return text_is_utf8(s);
    for (const char *nul; (nul = memchr(s.data, '\0', s.len));) {
        size_t n = (size_t)(nul - s.data);
        if (!text_is_utf8((struct span){s.data, n}))
            return false;
        s = (struct span){nul + 1, s.len - n - 1};
    }
    return text_is_utf8(s);
}

/* Whether a backslash may stand before c.  OpenMetrics has it before any character. */
static bool is_escape(const struct promtext *t, char c)
{
    return !t->exact || t->format == FORMAT_OPENMETRICS || c == '\\' || c == '"' || c == 'n';
}

/* What stands between two '"'; the first is eaten. */
static bool read_quoted(struct promtext *t, struct span *ret, bool *ret_escaped)
{
    const char *start = t->at;
    *ret_escaped = false;
    for (t->at = text_skip_plain(t->at, t->end); t->at < t->end && *t->at != '"' && *t->at != '\n';
         t->at++) {
        if (*t->at == '\\') {
            *ret_escaped = true;
            t->at++;
            if (t->at == t->end || *t->at == '\n')
                break;
            if (!is_escape(t, *t->at))
                return refuse(t, t->at - 1, "escape", "only \\\\, \\\" and \\n are escapes");
        }
    }
    *ret = (struct span){start, (size_t)(t->at - start)};
    if (!eat(t, '"'))
        return refuse(t, t->at, "quote", "the label value is not closed");
    return is_text(t, *ret) || refuse(t, start, "utf8", "the label value is not UTF-8");
}

/* A name in quotes; the first is at t->at. */
static bool read_quoted_name(struct promtext *t, struct span *ret, bool *ret_escaped)
{
    const char *start = t->at++;
    return read_quoted(t, ret, ret_escaped) &&
           (ret->len > 0 || refuse(t, start, "quoted-name", "an empty name in quotes"));
}

/* Behind the name: "=", and the value in quotes. */
static bool read_label_value(struct promtext *t, struct promtext_label *ret)
{
    skip_optional(t);
    if (!eat(t, '='))
        return refuse(t, t->at, "label-equals", "no '=' after the label name");
    skip_optional(t);
    if (!eat(t, '"'))
        return refuse(t, t->at, "quote", "no '\"' before the label value");
    return read_quoted(t, &ret->value, &ret->escaped);
}

/* Those that stand there quoted: the name of the metric, which may be the first of the braces, or
 * a label. */
static bool read_quoted_item(struct promtext *t, struct promtext_label *ret,
                             struct promtext_line *named, bool *ret_label)
{
    const char *start = t->at;
    if (!read_quoted_name(t, &ret->name, &ret->name_escaped))
        return false;
    ret->quoted = true;
    ret->simple = false;
    skip_optional(t);
    *ret_label = peek(t) == '=' || !named;
    if (*ret_label)
        return read_label_value(t, ret);
    if (named->name.data)
        return refuse(t, start, "quoted-name", "a second name of the metric");
    named->name = ret->name;
    named->quoted = true;
    named->name_escaped = ret->name_escaped;
    return true;
}

static bool read_plain_label(struct promtext *t, struct promtext_label *ret)
{
    ret->quoted = ret->name_escaped = ret->simple = false;
    return read_name(t, false, &ret->name) && read_label_value(t, ret);
}

/* name="value", without blanks, and plain: as nearly all labels are written.  Read in one go it costs a
 * third of what it does step by step.  False: it is another, t->at is where it was. */
static inline bool read_simple_label(struct promtext *t, struct promtext_label *ret)
{
    const char *name = t->at, *at = name, *end = t->end;
    if (!starts_name(peek(t), false))
        return false;
    while (at < end && is_word[(unsigned char)*at])
        at++;
    if (end - at < 2 || at[0] != '=' || at[1] != '"')
        return false;
    const char *value = at + 2, *close = text_skip_plain(value, end);
    if (close == end || *close != '"')
        return false;
    *ret = (struct promtext_label){.name = {name, (size_t)(at - name)},
                                   .value = {value, (size_t)(close - value)},
                                   .simple = true};
    t->at = close + 1;
    return true;
}

static const char too_many_labels[] = "too many labels";

bool promtext_labels(struct promtext *t, struct promtext_label *labels, size_t cap, size_t *ret_len,
                     struct promtext_line *named)
{
    *ret_len = 0;
    bool first = true;
    for (;; first = false) {
        skip_optional(t);
        if ((first || !promtext_tight(t)) && eat(t, '}'))
            return true;
        if (*ret_len == cap)
            return refuse(t, t->at, "max-labels", too_many_labels);
        bool is_label = true;
        struct promtext_label *l = &labels[*ret_len];
        if (!read_simple_label(t, l) &&
            (t->quoted && peek(t) == '"' ? !read_quoted_item(t, l, first ? named : NULL, &is_label)
                                         : !read_plain_label(t, l)))
            return false;
        *ret_len += is_label;
        skip_optional(t);
        if (promtext_tight(t) && eat(t, '}'))
            return true;
        if (!eat(t, ',') && peek(t) != '}')
            return refuse(t, t->at, "label-comma", "neither ',' nor '}' after a label");
    }
}

static bool refuse_composite(struct promtext *t)
{
    return refuse(t, t->at, "composite", "a value of several fields cannot be taken");
}

/* Where labels are expected, as blanks may stand before them: "{count:1,". */
static bool is_composite(const struct promtext *t)
{
    const char *at = t->at;
    if (t->exact || t->format != FORMAT_OPENMETRICS || peek(t) != '{')
        return false;
    for (at++; at < t->end && is_word[(unsigned char)*at]; at++)
        ;
    return at < t->end && *at == ':';
}

static bool read_sample(struct promtext *t, struct promtext_line *ret)
{
    ret->item = PROMTEXT_SAMPLE;
    ret->labels_len = 0;
    ret->quoted = ret->name_escaped = false;
    ret->name.data = NULL;
    const char *start = t->at;
    if (!(t->quoted && *start == '{') && !read_name(t, true, &ret->name))
        return false;
    skip_optional(t);
    if (is_composite(t))
        return refuse_composite(t);
    if (eat(t, '{') && !promtext_labels(t, ret->labels, PROMTEXT_LABELS, &ret->labels_len, ret))
        return false;
    if (!ret->name.data)
        return refuse(t, start, "metric-name", "no metric name");
    char before = t->at[-1];
    if (promtext_tight(t) && !eat(t, ' '))
        return refuse(t, t->at, "white-space",
                      before == '}' ? "no space after the '}'"
                                    : "neither '{' nor a space after the name");
    skip_optional(t);
    ret->value_at = t->at;
    /* "a1" is the name a1, so at least a blank or a '}' must stand before. */
    if (t->at[-1] != ' ' && t->at[-1] != '\t' && t->at[-1] != '}')
        return refuse(t, t->at, "white-space", "neither '{' nor a blank after the name");
    if (promtext_tight(t) && (peek(t) == ' ' || peek(t) == '\t'))
        return refuse(t, t->at, "white-space", "before the value stands one space");
    if (t->version2 && peek(t) == '{')
        return refuse_composite(t);
    return promtext_value(t, &ret->value);
}

/* In a comment: to the letter not just any control character. */
static bool is_space(const struct promtext *t, char c)
{
    return c == ' ' || c == '\t' || (!t->exact && (unsigned char)c < ' ');
}

/* Whether a word or name of a comment ends here. */
static bool is_parted(const struct promtext *t)
{
    char c = peek(t);
    bool line_end = t->at == t->end || c == '\n' ||
                    (t->end - t->at > 1 && t->at[0] == '\r' && t->at[1] == '\n');
    return line_end || is_space(t, c);
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
        {"EOF", PROMTEXT_EOF},
    };
    struct span word = read_token(t);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (span_is(word, words[i].word) && is_parted(t)) {
            ret->item = words[i].item;
            return t->format == FORMAT_OPENMETRICS ||
                   (i < 2 || (ret->item == PROMTEXT_UNIT && !t->exact));
        }
    }
    return false;
}

/* Leniently, what one format calls by a name the other understands. */
static bool read_kind(struct promtext *t, struct promtext_line *ret)
{
    bool metrics = t->format == FORMAT_OPENMETRICS;
    for (int k = 0; k < SERIES_KINDS; k++) {
        ret->kind = (enum series_kind)k;
        bool other = metrics
                         ? k == SERIES_UNTYPED
                         : k == SERIES_GAUGEHISTOGRAM || k == SERIES_INFO || k == SERIES_STATESET;
        if (span_is(ret->text, series_kind_name(ret->kind)) && !(t->exact && other))
            return true;
    }
    ret->kind = SERIES_UNTYPED;
    return (span_is(ret->text, "unknown") && (metrics || !t->exact)) ||
           refuse(t, ret->text.data, "type", "no such type");
}

static bool read_help(struct promtext *t, const struct promtext_line *l)
{
    if (!t->exact)
        return true;
    bool metrics = t->format == FORMAT_OPENMETRICS;
    const char *end = l->text.data + l->text.len;
    for (const char *p = l->text.data; (p = memchr(p, '\\', (size_t)(end - p))); p += 2) {
        char after = p + 1 < end ? p[1] : '\0';
        if (metrics ? p + 1 == end : after != '\\' && after != 'n')
            return refuse(t, p, "escape",
                          metrics ? "a backslash at the end"
                                  : "only \\\\ and \\n are escapes of a help");
    }
    return is_text(t, l->text) || refuse(t, l->text.data, "utf8", "the help is not UTF-8");
}

static bool read_unit(struct promtext *t, const struct promtext_line *l)
{
    for (size_t i = 0; t->exact && i < l->text.len; i++)
        if (!is_word[(unsigned char)l->text.data[i]] && l->text.data[i] != ':')
            return refuse(t, l->text.data + i, "unit-syntax", "no character of a unit");
    return true;
}

/* What is left of the line, without its end. */
static bool read_text(struct promtext *t, struct span *ret)
{
    const char *start = t->at;
    skip_line(t);
    const char *end = t->at;
    if (end > start && end[-1] == '\n')
        end--;
    if (end > start && end[-1] == '\r') {
        end--;
        if (t->exact)
            return refuse(t, end, "carriage-return", "a line ends with a line feed alone");
    }
    *ret = (struct span){start, (size_t)(end - start)};
    return true;
}

static bool read_described_name(struct promtext *t, struct promtext_line *ret)
{
    ret->quoted = t->quoted && peek(t) == '"';
    ret->name_escaped = false;
    if (ret->quoted ? !read_quoted_name(t, &ret->name, &ret->name_escaped)
                    : !read_name(t, true, &ret->name))
        return false;
    if (promtext_tight(t) && !eat(t, ' '))
        return refuse(t, t->at, "white-space", "no space after the name");
    if (!promtext_tight(t) && !is_parted(t))
        return refuse(t, t->at, "white-space", "no blank after the name");
    skip_optional(t);
    return true;
}

/* Behind the keyword: a name, a blank, and the rest of the line is the text. */
static bool read_described(struct promtext *t, struct promtext_line *ret)
{
    if (promtext_tight(t) && !eat(t, ' '))
        return refuse(t, t->at, "white-space", "no space after the word");
    skip_optional(t);
    if (!read_described_name(t, ret) || !read_text(t, &ret->text))
        return false;
    if (ret->item == PROMTEXT_HELP)
        return read_help(t, ret);
    while (!promtext_tight(t) && ret->text.len > 0 &&
           is_space(t, ret->text.data[ret->text.len - 1]))
        ret->text.len--;
    if (ret->item == PROMTEXT_UNIT)
        return read_unit(t, ret);
    const char *blank = memchr(ret->text.data, ' ', ret->text.len);
    if (promtext_tight(t) && blank)
        return refuse(t, blank, "white-space", "a type is one word, behind one space");
    return read_kind(t, ret);
}

/* Behind a '#'.  *ret_says: it is more than a comment. */
static bool read_comment(struct promtext *t, struct promtext_line *ret, bool *ret_says)
{
    const char *start = t->at;
    if (promtext_tight(t))
        eat(t, ' ');
    skip_optional(t);
    *ret_says = read_keyword(t, ret) && (!promtext_tight(t) || start[0] == ' ');
    if (!*ret_says) {
        struct span rest;
        t->at = start;
        if (promtext_tight(t))
            return refuse(t, start + (peek(t) == ' '), "comment",
                          "behind '# ' stands TYPE, HELP, UNIT or EOF");
        if (!read_text(t, &rest))
            return false;
        return !t->exact || is_text(t, rest) ||
               refuse(t, start, "utf8", "the comment is not UTF-8");
    }
    if (ret->item != PROMTEXT_EOF)
        return read_described(t, ret);
    skip_optional(t);
    return end_of_line(t) || refuse(t, t->at, "eof-exact", "more text behind # EOF");
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
    return !refuse(t, t->at + max, "max-line", "the line is too long");
}

/* A line without anything.  False: a fault. */
static bool skip_empty(struct promtext *t, bool *ret_empty)
{
    *ret_empty = false;
    if (promtext_tight(t) && peek(t) == '\n')
        return refuse(t, t->at, "blank-line", "an empty line");
    skip_optional(t);
    *ret_empty = end_of_line(t);
    return *ret_empty || !t->exact || t->format == FORMAT_OPENMETRICS || peek(t) != '\r' ||
           refuse(t, t->at, "carriage-return", "a line ends with a line feed alone");
}

enum status promtext_next(struct promtext *t, struct promtext_line *ret, struct err *err)
{
    while (t->at < t->end) {
        const char *line = t->at;
        bool empty, says;
        if (is_too_long(t) || !skip_empty(t, &empty))
            return report(t, line, err);
        if (empty)
            continue;
        if (!eat(t, '#'))
            return read_sample(t, ret) ? OK : report(t, line, err);
        if (!read_comment(t, ret, &says))
            return report(t, line, err);
        if (says)
            return OK;
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
