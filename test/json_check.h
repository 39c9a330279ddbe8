/* SPDX-License-Identifier: Apache-2.0 */
/* json_check.h - whether a text is JSON (RFC 8259), for tests of what we write. */
#ifndef JSON_CHECK_H
#define JSON_CHECK_H

#include "text.h"

static const char *json_value(const char *p);

static inline const char *json_string(const char *p)
{
    for (p++; *p && *p != '"'; p++) {
        if ((unsigned char)*p < ' ')
            return NULL;
        if (*p != '\\')
            continue;
        p++;
        if (*p == 'u' && strspn(p + 1, "0123456789abcdefABCDEF") < 4)
            return NULL;
        if (!*p || !strchr("\"\\/bfnrtu", *p))
            return NULL;
    }
    return *p == '"' ? p + 1 : NULL;
}

static inline const char *json_number(const char *p)
{
    p += *p == '-';
    size_t n = strspn(p, "0123456789");
    if (n == 0 || (n > 1 && *p == '0'))
        return NULL;
    p += n;
    if (*p == '.') {
        n = strspn(p + 1, "0123456789");
        if (n == 0)
            return NULL;
        p += 1 + n;
    }
    if (*p == 'e' || *p == 'E') {
        p += 1 + (p[1] == '-' || p[1] == '+');
        n = strspn(p, "0123456789");
        p = n > 0 ? p + n : NULL;
    }
    return p;
}

/* Of an object or array. */
static inline const char *json_members(const char *p)
{
    char end = *p == '{' ? '}' : ']';
    if (p[1] == end)
        return p + 2;
    do {
        p++;
        if (end == '}') {
            p = *p == '"' ? json_string(p) : NULL;
            if (!p || *p++ != ':')
                return NULL;
        }
        p = json_value(p);
    } while (p && *p == ',');
    return p && *p == end ? p + 1 : NULL;
}

static const char *json_value(const char *p)
{
    static const char *const words[] = {"true", "false", "null"};
    if (*p == '{' || *p == '[')
        return json_members(p);
    if (*p == '"')
        return json_string(p);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strncmp(p, words[i], strlen(words[i])) == 0)
            return p + strlen(words[i]);
    return json_number(p);
}

/* One value without white space, then at most a newline. */
static inline bool json_is_valid(const char *text)
{
    const char *end = text_is_utf8((struct span){text, strlen(text)}) ? json_value(text) : NULL;
    return end && (*end == '\0' || strcmp(end, "\n") == 0);
}

#endif
