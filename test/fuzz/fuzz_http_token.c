/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_http_token.c - whatever a token endpoint answers: a token is never one that could break a header. */
#include "http_token.h"
#include "mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const char *const fuzz_words[];

const char *const fuzz_words[] = {
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    " ",
    "\"",
    "\\u000a",
    "\"access_token\":\"abc\"",
    "\"token_type\"",
    "\"bearer\"",
    "\"expires_in\":",
    "\"60\"",
    "1e300",
    "-1",
    "null",
    "{\"access_token\":\"",
    NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *token = NULL;
    int64_t life_ns = 0;
    struct err err = {.text = ""};
    enum status s =
        http_token_read((struct span){(const char *)data, size}, &token, &life_ns, &err);
    if (s == OK ? !token || token[0] == '\0' || strpbrk(token, "\r\n \t") || life_ns < 0
                : s != ERR_DENIED || token || err.text[0] == '\0')
        abort();
    mem_free(token);
    return 0;
}
