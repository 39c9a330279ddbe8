/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

/* Length of the character that starts with c, and its smallest code point. */
static size_t lead(unsigned char c, uint32_t *ret_bits, uint32_t *ret_least)
{
    if (c < 0x80) {
        *ret_bits = c;
        *ret_least = 1;
        return 1;
    }
    static const struct {
        unsigned char mask, mark;
        uint32_t least;
    } forms[] = {
        {0xe0, 0xc0, 0x80},
        {0xf0, 0xe0, 0x800},
        {0xf8, 0xf0, 0x10000},
    };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if ((c & forms[i].mask) == forms[i].mark) {
            *ret_bits = c & (unsigned char)~forms[i].mask;
            *ret_least = forms[i].least;
            return i + 2;
        }
    }
    return 0;
}

/* Eight bytes that are characters of their own. */
static bool are_ascii(const char *data)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t bytes;
    memcpy(&bytes, data, sizeof bytes);
    return ((bytes | (bytes - ones)) & (ones << 7)) == 0;
}

bool text_is_utf8(struct span s)
{
    for (size_t i = 0; i < s.len;) {
        if (s.len - i >= 8 && are_ascii(s.data + i)) {
            i += 8;
            continue;
        }
        uint32_t code, least;
        size_t n = lead((unsigned char)s.data[i], &code, &least);
        if (n == 0 || n > s.len - i)
            return false;
        for (size_t k = 1; k < n; k++) {
            unsigned char c = (unsigned char)s.data[i + k];
            if ((c & 0xc0) != 0x80)
                return false;
            code = code << 6 | (c & 0x3f);
        }
        if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
        i += n;
    }
    return true;
}

bool text_is_label_name(struct span s)
{
    static const char first[] = "_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (s.len == 0 || !memchr(first, s.data[0], sizeof first - 1))
        return false;
    for (size_t i = 1; i < s.len; i++)
        if (!memchr(first, s.data[i], sizeof first - 1) && (s.data[i] < '0' || s.data[i] > '9'))
            return false;
    return true;
}

void text_line(char *out, size_t size, struct span said)
{
    size_t n = 0;
    bool utf8 = text_is_utf8(said);
    for (size_t i = 0; i < said.len && said.data[i] != '\n' && n < size - 1; i++) {
        unsigned char c = (unsigned char)said.data[i];
        out[n++] = c < ' ' || c == 0x7f ? ' ' : c >= 0x80 && !utf8 ? '?' : (char)c;
    }
    while (n > 0 && !text_is_utf8((struct span){out, n}))
        n--; /* the last character is cut */
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}
