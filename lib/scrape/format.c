/* SPDX-License-Identifier: Apache-2.0 */
#include "format.h"

#include <strings.h>

static const char *const format_names[] = {
    [FORMAT_TEXT] = "text",
    [FORMAT_OPENMETRICS] = "openmetrics",
};

static const char *const mode_names[] = {
    [MODE_SALVAGE] = "salvage",
    [MODE_STRICT] = "strict",
};

const char *page_format_name(enum page_format f)
{
    return format_names[f];
}

const char *page_mode_name(enum page_mode m)
{
    return mode_names[m];
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
    while (s.len > 0 && is_blank(s.data[0]))
        s = (struct span){s.data + 1, s.len - 1};
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

/* Up to the next ';' outside of quotes, without blanks around; *rest goes behind it. */
static struct span cut(struct span *rest)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < rest->len && (quoted || rest->data[i] != ';'); i++) {
        if (quoted && rest->data[i] == '\\' && i + 1 < rest->len)
            i++;
        else if (rest->data[i] == '"')
            quoted = !quoted;
    }
    struct span piece = {rest->data, i};
    size_t used = i < rest->len ? i + 1 : i;
    *rest = (struct span){rest->data + used, rest->len - used};
    return trim(piece);
}

static bool same(struct span s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.data, word, s.len) == 0;
}

bool page_format_of(struct span content_type, enum page_format *ret)
{
    struct span type = cut(&content_type);
    if (same(type, "text/plain"))
        *ret = FORMAT_TEXT;
    else if (same(type, "application/openmetrics-text"))
        *ret = FORMAT_OPENMETRICS;
    else
        return false;
    return true;
}

unsigned page_format_version(struct span content_type)
{
    cut(&content_type);
    while (content_type.len > 0) {
        struct span p = cut(&content_type);
        const char *equals = memchr(p.data, '=', p.len);
        if (!equals || !same((struct span){p.data, (size_t)(equals - p.data)}, "version"))
            continue;
        const char *value = equals + 1, *end = p.data + p.len;
        value += value < end && *value == '"';
        if (value < end && *value >= '0' && *value <= '9' &&
            (value + 1 == end || value[1] < '0' || value[1] > '9'))
            return (unsigned)(*value - '0');
        return 0;
    }
    return 0;
}
