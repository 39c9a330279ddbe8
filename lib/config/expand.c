/* SPDX-License-Identifier: Apache-2.0 */
#include "expand.h"

#include "mem.h"
#include "text.h"

#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789"

/* inside: what stands between ${ and }. */
static enum status add_variable(const char *inside, struct buf *out, struct err *err)
{
    size_t n = strspn(inside, NAME_CHARS);
    bool has_default = strncmp(inside + n, ":-", 2) == 0;
    if (n == 0 || (inside[0] >= '0' && inside[0] <= '9') || (inside[n] != '\0' && !has_default))
        return err_set(err, ERR_INVALID,
                       "'${%.60s}' is no variable; write ${NAME} or "
                       "${NAME:-default}, and $$ for a dollar",
                       inside);
    char *name = mem_strndup(inside, n);
    const char *value = getenv(name);
    mem_free(name);
    if (has_default && (!value || value[0] == '\0'))
        value = inside + n + 2;
    if (!value)
        return err_set(err, ERR_INVALID, "the environment has no %.*s", (int)n, inside);
    if (!text_is_utf8((struct span){value, strlen(value)}))
        return err_set(err, ERR_INVALID, "%.*s of the environment is no UTF-8", (int)n, inside);
    return buf_puts(out, value);
}

enum status expand(const char *text, struct buf *out, struct err *err)
{
    enum status s = OK;
    while (*text && s == OK) {
        size_t plain = strcspn(text, "$");
        s = buf_add(out, text, plain);
        text += plain;
        if (*text == '\0' || s != OK)
            break;
        if (text[1] != '{') {
            s = buf_puts(out, "$");
            text += text[1] == '$' ? 2 : 1;
            continue;
        }
        const char *end = strchr(text, '}');
        if (!end)
            return err_set(err, ERR_INVALID, "'%.60s' has no '}'", text);
        size_t digits = strspn(text + 2, "0123456789");
        if (digits > 0 && text + 2 + digits == end) { /* a group of an expression */
            s = buf_add(out, text, (size_t)(end - text) + 1);
            text = end + 1;
            continue;
        }
        char *inside = mem_strndup(text + 2, (size_t)(end - text) - 2);
        s = add_variable(inside, out, err);
        mem_free(inside);
        text = end + 1;
    }
    return s == ERR_LIMIT ? err_set(err, s, "longer than %zu bytes", out->max) : s;
}
