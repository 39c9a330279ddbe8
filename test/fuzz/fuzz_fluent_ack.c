/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what a server of the Forward protocol says: a status, a text of one line, nothing
 * read behind the end. */
#include "fluent_ack.h"
#include "fluent_hello.h"
#include "msgpack.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const char *const fuzz_words[];

const char *const fuzz_words[] = {
    "\x81\xa3"
    "ack",
    "\xb8"
    "AAAAAAAAAAAAAAAAAAAAAA==",
    "\xb8"
    "AAECAwQFBgcICQoLDA0ODw==",
    "\x92\xa4HELO",
    "\x83\xa5nonce",
    "\xa4"
    "auth",
    "\xc4\x10",
    "\x95\xa4PONG",
    "\xc3",
    "\xc2",
    "\xd9\x80",
    "\xda\x01",
    "\xdb\xff\xff\xff\xff",
    "\xdd\xff\xff\xff\xff",
    "\xdf\xff\xff\xff\xff",
    "\x91",
    "\x91\x91\x91\x91\x91\x91\x91\x91\x91",
    "\xc7",
    "\xd7",
    "\xcb",
    "\xc1",
    NULL,
};

static void check(enum status s, const struct err *err)
{
    assert(s == OK || s == ERR_AGAIN || s == ERR_INVALID || s == ERR_DENIED);
    assert(s == OK || s == ERR_AGAIN || (err->status == s && err->text[0]));
    assert(!strchr(err->text, '\n'));
}

/* What is left is the end of what there was, and shorter after a success. */
static void check_left(enum status s, struct span left, const char *copy, size_t size)
{
    assert(left.len <= size && left.data == copy + size - left.len);
    assert((left.len < size) == (s == OK));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1); /* so that asan sees a byte too many */
    memcpy(copy, data, size);
    struct span left = {copy, size};
    struct err err = {.status = OK};
    struct payload_id id;
    bool known = false;
    enum status s = fluent_ack_read(&left, &known, &id, &err);
    check(s, &err);
    check_left(s, left, copy, size);
    assert(s != ERR_AGAIN || size <= FLUENT_ANSWER_MAX);
    if (known) {
        char text[PAYLOAD_ID_BASE64 + 1];
        payload_id_base64(id, text);
        assert(memmem(copy, size, text, PAYLOAD_ID_BASE64));
    }
    struct fluent_hello h = {.nonce_len = 0};
    left = (struct span){copy, size};
    err = (struct err){.status = OK};
    s = fluent_hello_read(&left, &h, &err);
    check(s, &err);
    check_left(s, left, copy, size);
    assert(h.nonce_len <= FLUENT_NONCE_MAX && h.auth_len <= FLUENT_NONCE_MAX);
    left = (struct span){copy, size};
    err = (struct err){.status = OK};
    check(fluent_hello_read_pong(&left, &h, "key", &err), &err);
    left = (struct span){copy, size};
    s = msgpack_skip(&left);
    check_left(s, left, copy, size);
    free(copy);
    return 0;
}
