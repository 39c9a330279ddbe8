/* SPDX-License-Identifier: Apache-2.0 */
#include "number.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <strings.h>

static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c_locale)
        abort();
}

static locale_t get_c_locale(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_c_locale);
    return c_locale;
}

struct decimal {
    uint64_t digits; /* the number is digits * 10^exp10 */
    int exp10;
    unsigned len; /* digits read, without leading zeros */
    bool negative, plain;
};

#define EXACT_DIGITS 19 /* as many always fit into 64 bits */

static const char *scan_digits(const char *p, const char *end, struct decimal *d)
{
    for (; p < end && (unsigned char)(*p - '0') < 10; p++) {
        d->len += d->len > 0 || *p != '0';
        if (d->len <= EXACT_DIGITS)
            d->digits = d->digits * 10 + (uint64_t)(*p - '0');
    }
    return p;
}

/* What follows the 'e'; NULL when there is no digit. */
static const char *scan_exponent(const char *p, const char *end, struct decimal *d)
{
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    const char *first = p;
    int e = 0;
    for (; p < end && (unsigned char)(*p - '0') < 10; p++)
        e = e < 10000 ? e * 10 + (*p - '0') : e;
    d->exp10 += negative ? -e : e;
    return p > first ? p : NULL;
}

static bool scan(struct span text, struct decimal *d)
{
    const char *p = text.data, *end = p + text.len;
    *d = (struct decimal){.plain = true};
    if (p < end && (*p == '-' || *p == '+')) {
        d->negative = *p == '-';
        d->plain = d->negative;
        p++;
    }
    const char *whole = p;
    p = scan_digits(p, end, d);
    ptrdiff_t wholes = p - whole, fractions = 0;
    d->plain &= wholes == 1 || (wholes > 1 && *whole != '0');
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        p = scan_digits(p, end, d);
        fractions = p - fraction;
        d->exp10 -= (int)fractions;
        d->plain &= fractions > 0;
    }
    if (wholes + fractions == 0)
        return false;
    if (p < end && (*p == 'e' || *p == 'E'))
        p = scan_exponent(p + 1, end, d);
    return p == end;
}

/* Integers up to 2^53 and powers of ten up to 10^22 are exact, so one division
 * or multiplication rounds once, as it should (Clinger).  False: not so easy. */
static bool convert_exactly(const struct decimal *d, double *ret)
{
    static const double powers[] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    };
    if (d->len > EXACT_DIGITS || d->digits > UINT64_C(1) << 53)
        return false;
    if (d->exp10 < -22 || d->exp10 > 22)
        return false;
    double v = (double)d->digits;
    v = d->exp10 < 0 ? v / powers[-d->exp10] : v * powers[d->exp10];
    *ret = d->negative ? -v : v;
    return true;
}

static enum status parse_word(struct span text, double *ret)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    if (negative || (text.len > 0 && text.data[0] == '+')) {
        text.data++;
        text.len--;
    }
    if (text.len == 3 && strncasecmp(text.data, "nan", 3) == 0)
        *ret = NAN;
    else if ((text.len == 3 && strncasecmp(text.data, "inf", 3) == 0) ||
             (text.len == 8 && strncasecmp(text.data, "infinity", 8) == 0))
        *ret = negative ? -INFINITY : INFINITY;
    else
        return ERR_INVALID;
    return OK;
}

enum status number_parse(struct span text, double *ret, bool *ret_plain)
{
    struct decimal d;
    if (text.len > NUMBER_MAX)
        return ERR_INVALID;
    if (!scan(text, &d)) {
        if (parse_word(text, ret) != OK)
            return ERR_INVALID;
        d.plain = false;
    } else if (!convert_exactly(&d, ret)) {
        char copy[NUMBER_MAX + 1];
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
        *ret = strtod_l(copy, NULL, get_c_locale());
        d.plain &= isfinite(*ret) != 0; /* 1e999 is no number for others */
    }
    if (ret_plain)
        *ret_plain = d.plain;
    return OK;
}

static size_t print_integer(char *out, double v)
{
    char reversed[NUMBER_ROOM];
    size_t n = 0, len = 0;
    if (signbit(v))
        out[len++] = '-';
    uint64_t u = (uint64_t)fabs(v);
    do {
        reversed[n++] = (char)('0' + u % 10);
        u /= 10;
    } while (u > 0);
    while (n > 0)
        out[len++] = reversed[--n];
    return len;
}

static size_t print_fraction(char *out, double v)
{
    locale_t before = uselocale(get_c_locale());
    int n = 0;
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(out, NUMBER_ROOM, "%.*g", digits, v);
        if (strtod(out, NULL) == v)
            break;
    }
    uselocale(before);
    return (size_t)n;
}

size_t number_print(char out[NUMBER_ROOM], double v)
{
    if (isnan(v) || isinf(v)) {
        const char *word = isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf";
        memcpy(out, word, strlen(word));
        return strlen(word);
    }
    if (fabs(v) < 1e15 && v == trunc(v))
        return print_integer(out, v);
    return print_fraction(out, v);
}
