/* SPDX-License-Identifier: Apache-2.0 */
/* fluent_hello.c - proofs of a shared key; the contract is in fluent_hello.h. */
#include "fluent_hello.h"

#include "msgpack.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/random.h>

#define DIGEST_HEX 128 /* of SHA-512 */

static void digest(const struct span *pieces, size_t n, char out[DIGEST_HEX + 1])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char bytes[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) == 1;
    for (size_t i = 0; i < n && ok; i++)
        ok = EVP_DigestUpdate(ctx, pieces[i].data, pieces[i].len) == 1;
    if (!ok || EVP_DigestFinal_ex(ctx, bytes, NULL) != 1)
        abort(); /* no memory */
    EVP_MD_CTX_free(ctx);
    for (size_t i = 0; i < DIGEST_HEX / 2; i++) {
        out[2 * i] = hex[bytes[i] >> 4];
        out[2 * i + 1] = hex[bytes[i] & 15];
    }
    out[DIGEST_HEX] = '\0';
}

static struct span text(const char *s)
{
    return (struct span){s, strlen(s)};
}

/* What proves that host knows key. */
static void prove(const struct fluent_hello *h, struct span host, const char *key,
                  char out[DIGEST_HEX + 1])
{
    const struct span pieces[] = {text(h->salt), host, {h->nonce, h->nonce_len}, text(key)};
    digest(pieces, ARRAY_LEN(pieces), out);
}

/* The head of an array of at least count values, of which the first is the word. */
static enum status read_word(struct span *at, const char *word, uint32_t count)
{
    struct msgpack_item array, first;
    enum status s = msgpack_read(at, &array);
    if (s == OK && (array.type != MSGPACK_ARRAY || array.count != count))
        return ERR_INVALID;
    if (s == OK)
        s = msgpack_read(at, &first);
    if (s == OK && (first.type != MSGPACK_TEXT || !span_is(first.text, word)))
        return ERR_INVALID;
    return s;
}

static enum status keep(const struct msgpack_item *value, char to[FLUENT_NONCE_MAX], size_t *ret)
{
    if (value->type != MSGPACK_TEXT || value->text.len > FLUENT_NONCE_MAX)
        return ERR_INVALID;
    memcpy(to, value->text.data, value->text.len);
    *ret = value->text.len;
    return OK;
}

static enum status read_option(struct span *at, struct fluent_hello *h)
{
    struct msgpack_item key, value;
    enum status s = msgpack_read(at, &key);
    struct span inside = *at;
    if (s == OK)
        s = msgpack_skip(at);
    if (s == OK)
        s = msgpack_read(&inside, &value);
    if (s != OK || key.type != MSGPACK_TEXT)
        return s == OK ? ERR_INVALID : s;
    if (span_is(key.text, "nonce"))
        return keep(&value, h->nonce, &h->nonce_len);
    if (span_is(key.text, "auth") && value.type != MSGPACK_NIL)
        return keep(&value, h->auth, &h->auth_len);
    return OK;
}

enum status fluent_hello_read(struct span *left, struct fluent_hello *ret, struct err *err)
{
    struct span at = *left;
    struct fluent_hello h = {.nonce_len = 0};
    struct msgpack_item options = {.count = 0};
    enum status s = read_word(&at, "HELO", 2);
    if (s == OK)
        s = msgpack_read(&at, &options);
    if (s == OK && options.type != MSGPACK_MAP)
        s = ERR_INVALID;
    for (uint32_t i = 0; i < options.count && s == OK; i++)
        s = read_option(&at, &h);
    if (s == ERR_AGAIN)
        return s;
    if (s != OK)
        return err_set(err, ERR_INVALID, "the server says something else than HELO");
    *ret = h;
    *left = at;
    return OK;
}

/* The server's words for people, on one line. */
static enum status refuse(struct span reason, struct err *err)
{
    char words[120];
    size_t len = reason.len < sizeof words - 1 ? reason.len : sizeof words - 1;
    for (size_t i = 0; i < len; i++)
        words[i] = reason.data[i] >= ' ' && reason.data[i] < 0x7f ? reason.data[i] : '?';
    words[len] = '\0';
    return err_set(err, ERR_DENIED, "the server refuses the login: %s", words);
}

enum status fluent_hello_read_pong(struct span *left, const struct fluent_hello *h, const char *key,
                                   struct err *err)
{
    struct span at = *left;
    struct msgpack_item it[4] = {{.type = MSGPACK_NIL}}; /* good, reason, host, digest */
    enum status s = read_word(&at, "PONG", 5);
    for (size_t i = 0; i < ARRAY_LEN(it) && s == OK; i++)
        s = msgpack_read(&at, &it[i]);
    if (s == ERR_AGAIN)
        return s;
    if (s != OK || it[0].type != MSGPACK_BOOL)
        return err_set(err, ERR_INVALID, "the server says something else than PONG");
    if (!it[0].yes)
        return refuse(it[1].text, err);
    char want[DIGEST_HEX + 1];
    prove(h, it[2].text, key, want);
    if (it[3].text.len != DIGEST_HEX || CRYPTO_memcmp(it[3].text.data, want, DIGEST_HEX) != 0)
        return err_set(err, ERR_DENIED, "the server does not prove that it knows the shared_key");
    *left = at;
    return OK;
}

static enum status add_text(struct buf *out, const char *s)
{
    char head[MSGPACK_HEAD];
    enum status r = buf_add(out, head, (size_t)(msgpack_put_str_head(head, strlen(s)) - head));
    return r == OK ? buf_puts(out, s) : r;
}

enum status fluent_hello_ping(struct fluent_hello *h, const struct fluent_login *login,
                              struct buf *out, struct err *err)
{
    uint64_t random[2];
    char proof[DIGEST_HEX + 1], password[DIGEST_HEX + 1] = "";
    const char *user = h->auth_len > 0 ? login->user : "";
    if (getentropy(random, sizeof random) != 0)
        return err_set(err, ERR_IO, "no random numbers");
    snprintf(h->salt, sizeof h->salt, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    prove(h, text(login->host), login->key, proof);
    if (user[0]) {
        const struct span pieces[] = {{h->auth, h->auth_len}, text(user), text(login->password)};
        digest(pieces, ARRAY_LEN(pieces), password);
    }
    const char *const words[] = {"PING", login->host, h->salt, proof, user, password};
    enum status s = buf_puts(out, "\x96");
    for (size_t i = 0; i < ARRAY_LEN(words) && s == OK; i++)
        s = add_text(out, words[i]);
    return s == OK ? OK : err_set(err, s, "the login is too long");
}
