/* SPDX-License-Identifier: Apache-2.0 */
/* http_request.c - one request at a time; the contract is in http_request.h. */
#include "http_request.h"

#include "clock.h"
#include "payload.h"
#include "trust.h"

#include <assert.h>

enum {
    HEADERS_MAX = 65536, /* bytes of an answer's */
    LINES_MAX = PAYLOAD_TEXT_MAX + 4096,
};

/* Stops reading once there is enough; what came is an answer all the same. */
static size_t write_body(char *data, size_t size, size_t n, void *of)
{
    struct http_request *r = of;
    size_t room = r->kept.max - r->kept.len;
    (void)size; /* is 1 */
    if (buf_add(&r->kept, data, n < room ? n : room) != OK)
        return 0; /* cannot be */
    r->heard += n;
    r->enough = r->heard > HTTP_ANSWER_MAX;
    return r->enough ? 0 : n;
}

static size_t write_header(char *data, size_t size, size_t n, void *of)
{
    struct http_request *r = of;
    (void)size; /* is 1 */
    r->headers_bytes += n;
    if (n <= 2 && data[0] < ' ')
        r->headers_whole = true; /* the empty line */
    else if (n > 5 && memcmp(data, "HTTP/", 5) == 0)
        r->headers_whole = false;
    return r->headers_bytes > HEADERS_MAX ? 0 : n;
}

void http_request_init(struct http_request *r, struct http_session *session, size_t keep,
                       int64_t connect_timeout_ns)
{
    assert(keep <= HTTP_ANSWER_MAX);
    *r = (struct http_request){.session = session,
                               .connect_timeout_ns = connect_timeout_ns,
                               .lines = BUF_INIT(LINES_MAX),
                               .kept = BUF_INIT(keep)};
    r->easy = curl_easy_init();
    if (!r->easy)
        abort(); /* out of memory, as mem.h would say it */
}

/* What libcurl read of us may go. */
static void release(struct http_request *r)
{
    curl_slist_free_all(r->to);
    curl_slist_free_all(r->named);
    r->to = r->named = NULL;
    http_headers_release(r->shared);
    r->shared = NULL;
    r->running = NULL;
}

void http_request_stop(struct http_request *r)
{
    if (r->running)
        curl_loop_remove(r->running, 0, r->easy);
    release(r);
}

void http_request_done(struct http_request *r)
{
    http_request_stop(r);
    curl_easy_cleanup(r->easy);
    buf_done(&r->lines);
    buf_done(&r->kept);
}

static void set_up(struct http_request *r)
{
    CURL *easy = r->easy;
    curl_easy_reset(easy);
    http_session_apply(r->session, easy);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)r);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, write_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, r->error);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(r->connect_timeout_ns / MS_NS));
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    r->version = r->session->version;
}

enum status http_request_open(struct http_request *r, const char *url, struct err *err)
{
    assert(!r->running && !r->shared);
    if (http_session_refresh(r->session, err) != OK) {
        if (err)
            err->status = ERR_DENIED;
        return ERR_DENIED;
    }
    if (r->version != r->session->version)
        set_up(r);
    r->own_len = 0;
    buf_truncate(&r->lines, 0);
    r->shared = http_session_headers(r->session);
    enum status s = http_session_url(r->session, r->easy, url, r->shared, &r->to, &r->named, err);
    if (s != OK)
        release(r);
    return s;
}

/* Behind the lines there are; a NUL ends each. */
static enum status add_line(struct http_request *r, const char *name, const char *between,
                            const char *value)
{
    size_t start = r->lines.len;
    enum status s = r->own_len < HTTP_OWN_MAX ? OK : ERR_LIMIT;
    if (s == OK)
        s = buf_cat(&r->lines, name, between, value, NULL);
    if (s == OK)
        s = buf_add(&r->lines, "", 1);
    if (s != OK)
        return s;
    for (char *c = r->lines.data + start; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' '; /* a line break would add a header */
    r->at[r->own_len++] = start;
    return OK;
}

enum status http_request_header(struct http_request *r, const char *name, const char *value)
{
    return add_line(r, name, ": ", value);
}

enum status http_request_line(struct http_request *r, const char *line)
{
    return add_line(r, line, "", "");
}

enum status http_request_start(struct http_request *r, struct curl_loop *loop, const char *method,
                               struct span body, int64_t timeout_ns, struct err *err)
{
    struct curl_slist *next = r->named ? r->named : r->shared->list;
    for (size_t i = r->own_len; i-- > 0; next = &r->own[i])
        r->own[i] = (struct curl_slist){.data = r->lines.data + r->at[i], .next = next};
    int64_t timeout_ms = timeout_ns / MS_NS;
    curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, next);
    curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, body.data);
    curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)(timeout_ms > 0 ? timeout_ms : 1));
    buf_truncate(&r->kept, 0);
    r->heard = r->headers_bytes = 0;
    r->headers_whole = r->enough = false;
    r->error[0] = '\0';
    enum status s = curl_loop_add(loop, 0, r->easy, err);
    if (s == OK)
        r->running = loop;
    else
        release(r);
    return s;
}

void http_request_finish(struct http_request *r, CURLcode how, struct http_answer *ret)
{
    long sent = 0, connects = 0;
    curl_off_t after = 0, after_max = HTTP_RETRY_AFTER_MAX_NS / SEC_NS;
    *ret = (struct http_answer){.how = how, .said = {r->kept.data, r->kept.len}};
    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &ret->code);
    curl_easy_getinfo(r->easy, CURLINFO_REQUEST_SIZE, &sent);
    curl_easy_getinfo(r->easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(r->easy, CURLINFO_RETRY_AFTER, &after);
    if (ret->code < 200 || !r->headers_whole)
        ret->code = 0; /* libcurl takes headers that are cut off for an answer */
    if (how == CURLE_OK && ret->code == 0)
        ret->how = CURLE_PARTIAL_FILE;
    ret->whole = ret->code > 0 && (how == CURLE_OK || r->enough);
    ret->sent = sent > 0;
    ret->error = trust_words(ret->how, r->error);
    ret->retry_after_ns = (after < after_max ? after : after_max) * SEC_NS;
    ret->connects = connects > 0 ? (uint64_t)connects : 0;
    release(r);
}

struct http_request *http_request_of(CURL *easy)
{
    char *private = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    return (struct http_request *)(void *)private;
}

void http_answer_words(const struct http_answer *a, char out[HTTP_WORDS_MAX])
{
    char line[HTTP_WORDS_MAX - 64]; /* room for what stands in front of it */
    bool body = a->code >= 300;
    struct span said = body ? a->said : (struct span){a->error, strlen(a->error)};
    text_line(line, sizeof line, said);
    if (a->code >= 300)
        snprintf(out, HTTP_WORDS_MAX, "%ld%s%s%s", a->code,
                 a->code < 400 ? " (redirects are not followed)" : "", line[0] ? ": " : "", line);
    else if (a->code >= 200)
        snprintf(out, HTTP_WORDS_MAX, "%ld, but its answer was cut off: %s", a->code, line);
    else
        snprintf(out, HTTP_WORDS_MAX, "%s", line);
}
