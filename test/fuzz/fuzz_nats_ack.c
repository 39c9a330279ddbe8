/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as JetStream's answer: a status, a text of one line, nothing read behind the end. */
#include "nats_ack.h"

#include <assert.h>

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
    "\\\"",
    "\"error\"",
    "\"code\"",
    "\"seq\"",
    "\"duplicate\":true",
    "400",
    "503",
    "-1",
    "true",
    "\"a\":",
    "\"err_code\"",
    "10077",
    "10054",
    "{\"error\":{\"code\":400,",
    "\"description\":\"no\"",
    "{\"seq\":1}",
    "\n",
    "\x7f",
    NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1); /* so that asan sees a byte too many */
    struct err err = {.status = OK};
    memcpy(copy, data, size);
    bool duplicate = false;
    enum status s = nats_ack_read((struct span){copy, size}, &duplicate, &err);
    assert(s == err.status && s != ERR_CLOSED && s < STATUS_COUNT);
    assert(s == OK || !duplicate);
    assert(s == OK || (err.text[0] && !strchr(err.text, '\n')));
    free(copy);
    return 0;
}
