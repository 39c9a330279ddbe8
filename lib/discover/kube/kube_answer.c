/* SPDX-License-Identifier: Apache-2.0 */
/* kube_answer.c - libcurl's codes and the server's Status objects. */
#include "kube_answer.h"

#include "clock.h"
#include "trust.h"

#include <cjson/cJSON.h>

enum { PATH_SHOWN = 70, RETRY_AFTER_MAX = 3600 };

/* Queries are long and say little. */
static int shown(const char *path)
{
    size_t len = strcspn(path, "?");
    return len < PATH_SHOWN ? (int)len : PATH_SHOWN;
}

void kube_answer_fail(struct kube_answer *answer, enum status s, const char *method,
                      const char *path, const char *what)
{
    char line[151];
    text_line(line, sizeof line, (struct span){what, strlen(what)});
    answer->status = err_set(&answer->err, s, "%s %.*s: %s", method, shown(path), path, line);
}

/* What the server says: its Status object, or a line of text. */
static void server_words(char *out, size_t size, struct span body)
{
    cJSON *root = cJSON_ParseWithLength(body.data, body.len);
    const cJSON *message = cJSON_GetObjectItemCaseSensitive(root, "message");
    out[0] = '\0';
    if (cJSON_IsString(message))
        text_line(out, size, (struct span){message->valuestring, strlen(message->valuestring)});
    else if (!cJSON_IsObject(root) && text_is_utf8(body))
        text_line(out, size, body);
    cJSON_Delete(root);
}

static enum status from_code(long code, bool later)
{
    if (code >= 200 && code < 300)
        return OK;
    if (code == 401 || code == 403)
        return ERR_DENIED;
    if (code == 429 || later)
        return ERR_AGAIN;
    return code >= 500 ? ERR_IO : ERR_INVALID;
}

static enum status from_curl(CURLcode how)
{
    switch ((int)how) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CACERT_BADFILE: return ERR_INVALID;
    case CURLE_SSL_CERTPROBLEM: return ERR_DENIED;
    default: return ERR_IO;
    }
}

static void not_trusted(struct kube_answer *answer, const struct kube_ending *e, const char *why)
{
    long verify = 0; /* X509_V_ERR_UNSPECIFIED: the chain was good, what libcurl compares was not */
    char line[110];
    curl_easy_getinfo(e->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
    text_line(line, sizeof line, (struct span){why, strlen(why)});
    if (e->how == CURLE_PEER_FAILED_VERIFICATION && verify <= 1)
        (void)err_set(&answer->err, ERR_INVALID,
                      "the server's certificate is for another name (%s): set tls-server-name of "
                      "the cluster in a kubeconfig, or server",
                      line);
    else
        (void)err_set(&answer->err, ERR_INVALID,
                      "the server's certificate is not trusted (%s): set %.120s", line, e->trust);
    answer->status = ERR_INVALID;
}

static void without_answer(struct kube_answer *answer, const struct kube_ending *e)
{
    const char *why = trust_words(e->how, e->error);
    enum status s = from_curl(e->how);
    if (s == ERR_INVALID)
        not_trusted(answer, e, why);
    else
        kube_answer_fail(answer, s, e->method, e->path, why);
}

static void with_answer(struct kube_answer *answer, const struct kube_ending *e)
{
    char words[180], what[200];
    curl_off_t after = 0;
    curl_easy_getinfo(e->easy, CURLINFO_RETRY_AFTER, &after);
    after = after > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : after;
    answer->retry_after_ns = after > 0 ? after * SEC_NS : 0;
    server_words(words, sizeof words, e->body);
    snprintf(what, sizeof what, "%d%s%s%s", answer->code,
             answer->code >= 300 && answer->code < 400 ? " (redirects are not followed)" : "",
             words[0] ? ": " : "", words);
    kube_answer_fail(answer, from_code(answer->code, after > 0), e->method, e->path, what);
}

void kube_answer_fill(struct kube_answer *answer, const struct kube_ending *e)
{
    long code = 0;
    curl_easy_getinfo(e->easy, CURLINFO_RESPONSE_CODE, &code);
    *answer = (struct kube_answer){.status = OK, .code = (int)code};
    bool good = code >= 200 && code < 300;
    if (e->said != OK)
        kube_answer_fail(answer, e->said, e->method, e->path, "its answer was not taken");
    else if (code >= 300)
        with_answer(answer, e); /* how its body ended is of no matter */
    else if (good && e->body_too_large)
        kube_answer_fail(answer, ERR_LIMIT, e->method, e->path, "the answer is too large");
    else if (e->how != CURLE_OK || !good)
        without_answer(answer, e);
}
