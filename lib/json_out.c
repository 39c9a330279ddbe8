/* SPDX-License-Identifier: Apache-2.0 */
/* json_out.c - members one after the other; the first failure sticks. */
#include "json_out.h"

#include "clock.h"
#include "number.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>

/* Bytes of the character that s, which is not empty, begins with; 0 when it is none. */
static size_t character(struct span s)
{
    for (size_t n = 1; n <= 4 && n <= s.len; n++)
        if (text_is_utf8((struct span){s.data, n}))
            return n;
    return 0;
}

static bool is_plain(unsigned char c)
{
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static enum status add_special(struct buf *out, struct span s, size_t *ret_len)
{
    unsigned char c = (unsigned char)s.data[0];
    *ret_len = 1;
    if (c == '"' || c == '\\')
        return buf_printf(out, "\\%c", c);
    if (c == '\n')
        return buf_puts(out, "\\n");
    if (c < 0x80)
        return buf_printf(out, "\\u%04x", c);
    size_t n = character(s);
    if (n == 0)
        return buf_puts(out, "\xef\xbf\xbd");
    *ret_len = n;
    return buf_add(out, s.data, n);
}

enum status json_out_quote_span(struct buf *out, struct span text)
{
    size_t mark = out->len;
    enum status r = buf_puts(out, "\"");
    while (text.len > 0 && r == OK) {
        size_t n = 0;
        while (n < text.len && is_plain((unsigned char)text.data[n]))
            n++;
        r = buf_add(out, text.data, n);
        text = (struct span){text.data + n, text.len - n};
        if (text.len > 0 && r == OK) {
            r = add_special(out, text, &n);
            text = (struct span){text.data + n, text.len - n};
        }
    }
    if (r == OK)
        r = buf_puts(out, "\"");
    if (r != OK)
        buf_truncate(out, mark);
    return r;
}

enum status json_out_quote(struct buf *out, const char *text)
{
    return json_out_quote_span(out, (struct span){text, strlen(text)});
}

static void put(struct json_out *j, const char *text)
{
    if (j->status == OK)
        j->status = buf_puts(j->out, text);
}

static void quote(struct json_out *j, const char *text)
{
    if (j->status == OK)
        j->status = json_out_quote(j->out, text);
}

/* What stands before a value. */
static void begin(struct json_out *j, const char *key)
{
    if (j->comma)
        put(j, ",");
    j->comma = true;
    if (key) {
        quote(j, key);
        put(j, ":");
    }
}

static void raw(struct json_out *j, const char *key, const char *text)
{
    begin(j, key);
    put(j, text);
}

void json_out_open(struct json_out *j, const char *key, char bracket)
{
    raw(j, key, (char[]){bracket, '\0'});
    j->comma = false;
}

void json_out_close(struct json_out *j, char bracket)
{
    put(j, (char[]){bracket, '\0'});
    j->comma = true;
}

void json_out_string(struct json_out *j, const char *key, const char *text)
{
    begin(j, key);
    if (text)
        quote(j, text);
    else
        put(j, "null");
}

void json_out_span(struct json_out *j, const char *key, struct span text)
{
    begin(j, key);
    if (j->status == OK)
        j->status = json_out_quote_span(j->out, text);
}

void json_out_uint(struct json_out *j, const char *key, uint64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, n);
    raw(j, key, text);
}

void json_out_int(struct json_out *j, const char *key, int64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, n);
    raw(j, key, text);
}

void json_out_double(struct json_out *j, const char *key, double d)
{
    char text[NUMBER_ROOM + 1] = "null";
    if (isfinite(d))
        text[number_print(text, d)] = '\0';
    raw(j, key, text);
}

void json_out_bool(struct json_out *j, const char *key, bool value)
{
    raw(j, key, value ? "true" : "false");
}

void json_out_time(struct json_out *j, const char *key, int64_t wall_ms)
{
    char text[CLOCK_TEXT + 1];
    if (wall_ms == 0 || wall_ms < CLOCK_MIN_MS || wall_ms > CLOCK_MAX_MS) {
        json_out_string(j, key, NULL);
        return;
    }
    clock_format(text, wall_ms);
    json_out_string(j, key, text);
}
