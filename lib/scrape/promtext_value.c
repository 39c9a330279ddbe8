/* SPDX-License-Identifier: Apache-2.0 */
/* promtext_value.c - what stands behind name and labels: number, times, exemplars. */
#include "clock.h"
#include "number.h"
#include "promtext_read.h"

#include <math.h>

static bool refuse_return(struct promtext *t)
{
    return refuse(t, t->at, "carriage-return", "a line ends with a line feed alone");
}

static bool is_sign(char c)
{
    return c == '-' || c == '+';
}

/* Not Inf, not NaN: what begins with a digit or a '.', perhaps behind a sign. */
static bool is_real(struct span s)
{
    size_t i = s.len > 0 && is_sign(s.data[0]);
    return i < s.len && ((s.data[i] >= '0' && s.data[i] <= '9') || s.data[i] == '.');
}

/* What number_parse takes and the grammars do not.  Digits that would become infinite say something
 * else: no reading takes them. */
static bool is_exact(struct promtext *t, struct span s, double v)
{
    if (t->exact && isnan(v) && is_sign(s.data[0]))
        return refuse(t, s.data, "number", "NaN has no sign");
    return !isinf(v) || !is_real(s) ||
           refuse(t, s.data, "number-range", "the number is above what 64 bits can hold");
}

static bool refuse_number(struct promtext *t, struct span s)
{
    if (s.len > NUMBER_MAX)
        return refuse(t, s.data, "number-length", "the number is too long");
    return refuse(t, s.data, s.len ? "number" : "value",
                  s.len ? "the value is no number" : "no value");
}

static inline bool read_number(struct promtext *t, double *ret, bool *ret_plain)
{
    struct span s = read_token(t);
    if (number_parse(s, ret, ret_plain) != OK)
        return refuse_number(t, s);
    return *ret_plain || is_exact(t, s, *ret);
}

/* Milliseconds as the text format has them. */
static bool read_ms(struct promtext *t, int64_t *ret)
{
    static const char rule[] = "timestamp", far[] = "the timestamp is out of range";
    struct span s = read_token(t);
    size_t sign = s.len > 0 && is_sign(s.data[0]);
    bool negative = sign && s.data[0] == '-';
    uint64_t ms = 0, max = t->exact ? (uint64_t)INT64_MAX + negative : CLOCK_MAX_MS;
    for (size_t i = sign; i < s.len; i++) {
        unsigned digit = (unsigned char)s.data[i] - (unsigned)'0';
        if (digit > 9)
            return refuse(t, s.data, rule, "the timestamp is no integer");
        if (ms > (max - digit) / 10)
            return refuse(t, s.data, rule, far);
        ms = ms * 10 + digit;
    }
    if (s.len == sign)
        return refuse(t, s.data, rule, "the timestamp is no integer");
    uint64_t most = negative ? -CLOCK_MIN_MS : CLOCK_MAX_MS, near = ms < most ? ms : most;
    *ret = negative ? -(int64_t)near : (int64_t)near;
    return near == ms || t->exact || refuse(t, s.data, rule, far);
}

/* Seconds as OpenMetrics has them. */
static bool read_seconds(struct promtext *t, int64_t *ret_ms)
{
    struct span s = read_token(t);
    double v;
    if (!is_real(s) || number_parse(s, &v, NULL) != OK)
        return refuse(t, s.data, "timestamp", "the timestamp is no real number");
    if (t->exact && !is_exact(t, s, v))
        return false;
    v *= 1000;
    *ret_ms = v >= (double)CLOCK_MAX_MS   ? CLOCK_MAX_MS
              : v <= (double)CLOCK_MIN_MS ? CLOCK_MIN_MS
                                          : llround(v);
    return true;
}

/* To the next token of the line, or to its end. */
static bool next_token(struct promtext *t, bool *ret_end)
{
    const char *before = t->at;
    if (promtext_tight(t))
        eat(t, ' ');
    else
        skip_blanks(t);
    bool gap = t->at > before;
    *ret_end = end_of_line(t);
    if (*ret_end)
        return !gap || !promtext_tight(t) ||
               refuse(t, before, "white-space", "a blank at the end of the line");
    if (t->exact && peek(t) == '\r')
        return refuse_return(t);
    if (!gap || (promtext_tight(t) && (unsigned char)peek(t) <= ' '))
        return refuse(t, t->at, "white-space", "between two tokens stands one space");
    return true;
}

static bool starts_created(const struct promtext *t)
{
    return t->end - t->at >= 3 && memcmp(t->at, "st@", 3) == 0 && (t->version2 || !t->exact);
}

static bool read_exemplar(struct promtext *t, struct promtext_exemplar *e, bool *ret_end)
{
    static const char rule[] = "exemplar-syntax";
    e->at = t->at++;
    e->has_ts = false;
    e->ts_ms = 0;
    bool plain;
    if (promtext_tight(t) ? !eat(t, ' ') : (skip_blanks(t), false))
        return refuse(t, t->at, rule, "no space behind the '#' of an exemplar");
    if (!eat(t, '{'))
        return refuse(t, t->at, rule, "no '{' behind the '#' of an exemplar");
    if (!promtext_labels(t, e->labels, PROMTEXT_EXEMPLAR_LABELS, &e->labels_len, NULL))
        return false;
    if (promtext_tight(t) ? !eat(t, ' ') : (skip_blanks(t), false))
        return refuse(t, t->at, rule, "no space before the value of an exemplar");
    if (!read_number(t, &e->number, &plain) || !next_token(t, ret_end))
        return false;
    if (*ret_end || peek(t) == '#')
        return true;
    e->has_ts = true;
    return read_seconds(t, &e->ts_ms) && next_token(t, ret_end);
}

static bool starts_exemplar(const struct promtext *t, bool first)
{
    return peek(t) == '#' && (first || t->version2 || !t->exact);
}

/* Behind the number, in OpenMetrics.  Of several exemplars the first is taken. */
static bool read_rest(struct promtext *t, struct promtext_value *ret)
{
    bool end;
    if (!next_token(t, &end))
        return false;
    if (!end && peek(t) != '#' && !starts_created(t)) {
        const char *start = t->at;
        if (!read_seconds(t, &ret->ts_ms))
            return false;
        ret->has_ts = true;
        ret->ts_text = (struct span){start, (size_t)(t->at - start)};
        if (!next_token(t, &end))
            return false;
    }
    if (!end && starts_created(t)) {
        t->at += 3;
        ret->has_created = true;
        if (!read_seconds(t, &ret->created_ms) || !next_token(t, &end))
            return false;
    }
    struct promtext_exemplar *e = &t->exemplar, other; /* read, and not kept */
    while (!end && starts_exemplar(t, e == &t->exemplar)) {
        if (!read_exemplar(t, e, &end))
            return false;
        ret->exemplar = &t->exemplar;
        e = &other;
    }
    return end || refuse(t, t->at, "line-end", "more text behind the sample");
}

bool promtext_value(struct promtext *t, struct promtext_value *ret)
{
    bool plain;
    const char *start = t->at;
    if (!read_number(t, &ret->number, &plain))
        return false;
    ret->text = plain ? (struct span){start, (size_t)(t->at - start)} : (struct span){NULL, 0};
    ret->ts_ms = 0;
    ret->has_ts = ret->has_created = false;
    ret->exemplar = NULL;
    if (eat(t, '\n')) /* nearly always */
        return true;
    if (t->format == FORMAT_OPENMETRICS)
        return read_rest(t, ret);
    skip_blanks(t);
    if (end_of_line(t))
        return true;
    if (t->exact && peek(t) == '\r')
        return refuse_return(t);
    start = t->at;
    if (!read_ms(t, &ret->ts_ms))
        return false;
    ret->has_ts = true;
    ret->ts_text = (struct span){start, (size_t)(t->at - start)};
    skip_blanks(t);
    if (t->exact && peek(t) == '\r')
        return refuse_return(t);
    return end_of_line(t) || refuse(t, t->at, "line-end", "more text behind the timestamp");
}
