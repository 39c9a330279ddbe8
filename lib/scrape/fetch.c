/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch.h"

#include "budget.h"
#include "clock.h"
#include "gunzip.h"
#include "http_session.h"
#include "mem.h"
#include "trust.h"

#include <assert.h>
#include <stdatomic.h>

enum {
    SHARDS = 32,             /* multis of one worker */
    KEPT_BYTES = 2 << 20,    /* of empty bodies */
    KEPT = 16,               /* empty bodies */
    READ_BYTES = 128 << 10,  /* libcurl's buffer: large ones save calls on large pages */
    HANDLE_BYTES = 16 << 10, /* what else a transfer takes */
    GZIP_BYTES = 44 << 10,
    UNKNOWN_BYTES = 64 << 10, /* taken for the size of a body of which nothing is known */
};

/* One struct http, with the idle handles set up for it. */
struct client {
    struct http *http;  /* a reference; NULL for targets without */
    int64_t timeout_ns; /* told to the target in a header */
    struct http_session session;
    char timeout_line[64];
    const char *headers[4];
    struct fetch *idle;
    size_t users; /* fetches under way */
    int64_t used_ns;
    struct client *next;
};

/* A transfer, or an idle handle. */
struct fetch {
    struct fetcher *fetcher;
    struct client *client;
    CURL *easy;
    uint64_t version; /* of the session that easy was set up with */
    struct target *target;
    void *user;
    uint64_t shard;
    size_t max_body, header_bytes;
    size_t counted; /* in the budget, beside the body */
    size_t wants;   /* as in the result */
    struct buf body;
    struct curl_slist *to, *headers;
    struct http_headers *shared;
    int64_t start_ns;
    bool body_too_large, headers_too_large, tells_end;
    bool no_room;
    bool bold;                   /* the one body that may pass the others */
    bool gzip;                   /* the answer says so */
    struct gunzip gunzip;        /* its body, which libcurl would not tell to be cut short */
    struct err undecoded;        /* why the body cannot be decoded */
    char error[CURL_ERROR_SIZE]; /* what libcurl has to say of a failure */
    struct fetch *next, **link;  /* among idle ones; among those under way */
};

struct fetcher {
    struct fetcher_conf conf;
    struct curl_loop *loop;
    struct client *clients;
    struct fetch *running;
    struct buf kept[KEPT];
    size_t kept_len, kept_bytes;
    _Atomic size_t body_bytes;
};

/* Bodies. */

static _Atomic bool bold; /* somebody is */

static void count_body(struct fetcher *f, size_t more, size_t less)
{
    f->body_bytes += more - less;
    if (more != less)
        budget_add(BUDGET_BODIES, (ptrdiff_t)(more - less));
}

static bool asks_gzip(const struct target *t)
{
    return t->http && t->http->conf.gzip;
}

/* Of a transfer, beside its body. */
static size_t side_bytes(const struct target *t, size_t expect)
{
    size_t body = expect ? expect : UNKNOWN_BYTES;
    return (body < READ_BYTES ? body : READ_BYTES) + HANDLE_BYTES + (asks_gzip(t) ? GZIP_BYTES : 0);
}

/* The one body that may pass the others leaves room for what its page makes. */
static bool has_last_room(size_t bytes)
{
    return budget_has_room(BUDGET_PAYLOAD, bytes + budget_bound() / 16);
}

size_t fetch_bytes(const struct fetch_request *q)
{
    size_t body = q->expect_body ? q->expect_body : UNKNOWN_BYTES;
    return body + side_bytes(q->target, q->expect_body);
}

bool fetch_has_room(const struct fetch_request *q, bool first)
{
    size_t bytes = fetch_bytes(q);
    return budget_has_room(BUDGET_BODY, bytes) || (first && !bold && has_last_room(bytes));
}

static bool may_take(struct fetch *x, size_t bytes)
{
    if (budget_has_room(BUDGET_BODY, bytes))
        return true;
    if (!x->bold && !atomic_exchange(&bold, true))
        x->bold = true;
    return x->bold && has_last_room(bytes);
}

/* Room for n more bytes of body, at once for all of it where its length is known. */
static bool make_room(struct fetch *x, size_t n)
{
    struct buf *b = &x->body;
    curl_off_t length = -1;
    size_t cap = b->cap, want = b->len + n;
    if (want < cap || want > b->max) /* the latter fails for another reason */
        return true;
    if (b->len == 0)
        curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length > (curl_off_t)want && (size_t)length <= b->max)
        want = (size_t)length;
    size_t by = want - cap > cap ? want - cap : cap; /* it doubles at least */
    x->no_room = !may_take(x, by);
    x->wants = want > cap + cap / 2 ? want : cap + cap / 2;
    if (x->no_room)
        return false;
    (void)!buf_room(b, want - b->len);
    count_body(x->fetcher, b->cap, cap);
    return true;
}

static struct buf take_body(struct fetcher *f, size_t expect, size_t max)
{
    struct buf b = BUF_INIT(max);
    size_t best = f->kept_len;
    for (size_t i = 0; i < f->kept_len; i++) /* the smallest that is large enough */
        if (f->kept[i].cap > expect && (best == f->kept_len || f->kept[i].cap < f->kept[best].cap))
            best = i;
    if (best < f->kept_len) {
        b = f->kept[best];
        f->kept[best] = f->kept[--f->kept_len];
        f->kept_bytes -= b.cap;
        b.max = max;
    } else if (expect > 0 && expect <= max) {
        (void)!buf_room(&b, expect);
        count_body(f, b.cap, 0);
    }
    buf_truncate(&b, 0);
    return b;
}

static void keep_body(struct fetcher *f, struct buf *b)
{
    if (b->cap > 0 && f->kept_len < KEPT && budget_has_room(BUDGET_BODY, 0) &&
        b->cap <= KEPT_BYTES - f->kept_bytes) {
        f->kept_bytes += b->cap;
        f->kept[f->kept_len++] = *b;
    } else {
        count_body(f, 0, b->cap);
        buf_done(b);
    }
    *b = (struct buf)BUF_INIT(0);
}

void fetcher_trim(struct fetcher *f)
{
    while (f->kept_len > 0) {
        struct buf *b = &f->kept[--f->kept_len];
        count_body(f, 0, b->cap);
        f->kept_bytes -= b->cap;
        buf_done(b);
    }
}

/* What the whole body will have, if the rest of it is like what has come, and an eighth: one byte more than
 * there is room for takes twice the room. */
static size_t decoded_whole(const struct fetch *x)
{
    curl_off_t length = -1;
    curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    double in = (double)x->gunzip.z.total_in, out = (double)x->gunzip.z.total_out;
    double whole = length > 0 && in > 0 ? (double)length / in * out * 1.125 : 0;
    return whole < (double)x->max_body ? (size_t)whole : x->max_body;
}

/* What is decoded may be a thousand times as long: it is bounded by the room there is now. */
static enum status add_decoded(struct fetch *x, const char *data, size_t n)
{
    struct err err;
    struct buf *b = &x->body;
    size_t cap = b->cap;
    (void)may_take(x, cap + n);
    size_t room = budget_room(x->bold ? BUDGET_PAYLOAD : BUDGET_BODY);
    size_t kept = x->bold ? budget_bound() / 16 : 0;
    room = room > kept ? room - kept : 0;
    b->max = room < x->max_body && cap + room < x->max_body ? cap + room : x->max_body;
    enum status s = gunzip_add(&x->gunzip, (struct span){data, n}, b, &err);
    x->no_room = s == ERR_LIMIT && b->max < x->max_body;
    if (x->no_room) {
        size_t more = cap + cap / 2, whole = decoded_whole(x);
        x->wants = more < x->max_body ? more : x->max_body;
        x->wants = whole > x->wants ? whole : x->wants;
    }
    b->max = x->max_body;
    count_body(x->fetcher, b->cap, cap);
    if (s == ERR_INVALID)
        x->undecoded = err;
    return s;
}

static enum status add_body(struct fetch *x, const char *data, size_t n)
{
    if (x->gzip)
        return add_decoded(x, data, n);
    return make_room(x, n) ? buf_add(&x->body, data, n) : ERR_LIMIT;
}

/* libcurl hands over a piece. */
static size_t write_body(char *data, size_t size, size_t n, void *of)
{
    struct fetch *x = of;
    (void)size; /* is 1 */
    enum status s = x->undecoded.status == OK ? add_body(x, data, n) : ERR_INVALID;
    x->body_too_large = s == ERR_LIMIT && !x->no_room;
    return s == OK ? n : 0;
}

static bool is_header(const char *line, size_t len, const char *name)
{
    size_t n = strlen(name);
    return len > n && strncasecmp(line, name, n) == 0;
}

/* Only gzip was asked for. */
static void take_encoding(struct fetch *x, struct span line)
{
    const char *at = memchr(line.data, ':', line.len), *end = line.data + line.len;
    while (at + 1 < end && (unsigned char)at[1] <= ' ')
        at++;
    while (end > at + 1 && (unsigned char)end[-1] <= ' ')
        end--;
    struct span word = {at + 1, (size_t)(end - at - 1)};
    bool gzip = word.len == 4 && strncasecmp(word.data, "gzip", 4) == 0;
    if (gzip && !x->gzip &&
        !asks_gzip(x->target)) /* it comes all the same, by a proxy for instance */
        budget_count(BUDGET_BODIES, &x->counted, x->counted + GZIP_BYTES);
    x->gzip |= gzip;
    if (x->gzip || word.len == 0 || (word.len == 8 && strncasecmp(word.data, "identity", 8) == 0))
        return;
    char shown[40];
    text_line(shown, sizeof shown, word);
    err_set(&x->undecoded, ERR_INVALID, "a content encoding that was not asked for: %s", shown);
}

static size_t write_header(char *data, size_t size, size_t n, void *of)
{
    struct fetch *x = of;
    (void)size;
    x->tells_end |=
        is_header(data, n, "Content-Length:") || is_header(data, n, "Transfer-Encoding:");
    if (is_header(data, n, "Content-Encoding:"))
        take_encoding(x, (struct span){data, n});
    x->header_bytes += n;
    x->headers_too_large = x->header_bytes > FETCH_HEADERS_MAX;
    return x->headers_too_large ? 0 : n;
}

/* Clients: one for each struct http and timeout. */

static struct client *client_get(struct fetcher *f, const struct target *t)
{
    struct client *c = f->clients;
    while (c && (c->http != t->http || c->timeout_ns != t->timeout_ns))
        c = c->next;
    if (!c) {
        c = mem_alloc(sizeof *c);
        c->http = http_ref(t->http);
        c->timeout_ns = t->timeout_ns;
        snprintf(c->timeout_line, sizeof c->timeout_line, "X-Prometheus-Scrape-Timeout-Seconds: %g",
                 (double)t->timeout_ns / (double)SEC_NS);
        c->headers[0] = f->conf.accept;
        c->headers[1] = "User-Agent: strata-agent";
        c->headers[2] = c->timeout_line;
        http_session_init(&c->session, c->http ? &c->http->conf : NULL, c->headers);
        c->next = f->clients;
        f->clients = c;
    }
    c->used_ns = clock_mono_ns();
    return c;
}

static void fetch_free(struct fetch *x)
{
    curl_easy_cleanup(x->easy);
    mem_free(x);
}

static void client_free(struct client *c)
{
    for (struct fetch *x = c->idle, *next; x; x = next) {
        next = x->next;
        fetch_free(x);
    }
    http_session_done(&c->session);
    http_unref(c->http);
    mem_free(c);
}

/* Clients whose settings a reload has replaced go once nobody asks for them any more. */
static void drop_old_clients(struct fetcher *f)
{
    int64_t before_ns = clock_mono_ns() - 3600 * SEC_NS;
    for (struct client **at = &f->clients; *at;) {
        struct client *c = *at;
        bool last = c->http && c->http->refs == 1;
        if (c->users == 0 && (last || c->used_ns < before_ns)) {
            *at = c->next;
            client_free(c);
        } else {
            at = &c->next;
        }
    }
}

static struct fetch *fetch_get(struct fetcher *f, struct client *c)
{
    struct fetch *x = c->idle;
    if (x) {
        c->idle = x->next;
    } else {
        drop_old_clients(f); /* a new handle is rare: a good time */
        x = mem_alloc(sizeof *x);
        x->fetcher = f;
        x->client = c;
        x->easy = curl_easy_init();
        if (!x->easy)
            abort(); /* out of memory, as mem.h would say it */
    }
    c->users++;
    x->next = f->running;
    x->link = &f->running;
    if (x->next)
        x->next->link = &x->next;
    f->running = x;
    return x;
}

/* With TLS 1.3 a server refuses a client's certificate after the handshake, by hanging up: libcurl
 * sees a connection that breaks before anything came. */
static bool broke_after_handshake(const struct fetch *x, CURLcode how)
{
    long new_connections = 0;
    curl_easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &new_connections);
    return (how == CURLE_SEND_ERROR || how == CURLE_RECV_ERROR || how == CURLE_GOT_NOTHING) &&
           strncmp(x->target->url, "https:", 6) == 0 && x->header_bytes == 0 && new_connections > 0;
}

/* Whether anybody answered, in whatever words. */
static bool is_connected(const struct fetch *x)
{
    curl_off_t us = 0;
    curl_easy_getinfo(x->easy, CURLINFO_CONNECT_TIME_T, &us);
    return us > 0;
}

/* How a transfer went, in our words. */
static enum scrape_failure failure_of(const struct fetch *x, CURLcode how)
{
    if (x->no_room)
        return SCRAPE_MEMORY;
    if (x->body_too_large)
        return SCRAPE_TOO_LARGE;
    if (x->headers_too_large)
        return SCRAPE_HEADERS;
    if (broke_after_handshake(x, how))
        return SCRAPE_TLS;
    switch ((int)how) {
    case CURLE_OPERATION_TIMEDOUT: return SCRAPE_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_URL_MALFORMAT: return SCRAPE_CONNECT;
    case CURLE_UNSUPPORTED_PROTOCOL: /* also: an answer that is no HTTP */
        return is_connected(x) ? SCRAPE_BROKEN : SCRAPE_CONNECT;
    case CURLE_OUT_OF_MEMORY: /* also: a header longer than libcurl's bound */
        return is_connected(x) && x->body.len == 0 ? SCRAPE_HEADERS : SCRAPE_BROKEN;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR: return SCRAPE_TLS;
    default: return SCRAPE_BROKEN;
    }
}

static void describe(const struct fetch *x, CURLcode how, struct fetch_result *r)
{
    long status = 0;
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    if (x->undecoded.status != OK && status != 200)
        how = CURLE_OK; /* what else it says does not matter */
    if (x->body_too_large || x->headers_too_large || how != CURLE_OK) {
        r->why = failure_of(x, how);
        r->wants = x->wants;
        if (r->why == SCRAPE_MEMORY)
            err_set(&r->err, ERR_LIMIT, "no room for a page of %zu bytes or more (agent.memory)",
                    x->wants);
        else if (r->why == SCRAPE_TOO_LARGE)
            err_set(&r->err, ERR_LIMIT, "the page is larger than %zu bytes (limits.body)",
                    x->max_body);
        else if (r->why == SCRAPE_HEADERS)
            err_set(&r->err, ERR_LIMIT, "more than %d bytes of headers", FETCH_HEADERS_MAX);
        else if (r->why == SCRAPE_TIMEOUT)
            err_set(&r->err, ERR_TIMEOUT, "timed out: no whole answer within %g s, %zu bytes came",
                    (double)x->target->timeout_ns / (double)SEC_NS, x->body.len);
        else if (x->undecoded.status != OK)
            r->err = x->undecoded;
        else
            err_set(&r->err, ERR_IO, "%s%s", trust_words(how, x->error),
                    broke_after_handshake(x, how) ? " (does it want a client certificate?)" : "");
    } else if (status != 200) {
        r->why = SCRAPE_STATUS;
        err_set(&r->err, ERR_IO, "HTTP status %ld%s", status,
                status >= 300 && status < 400 ? " (redirects are not followed)" : "");
    } else if (x->gzip && !x->gunzip.ended) {
        r->why = SCRAPE_BROKEN;
        err_set(&r->err, ERR_IO, "the page's gzip is cut short: it ends after %zu bytes of text",
                x->body.len);
    } else {
        char *type = NULL;
        r->ok = true;
        r->tells_end = x->tells_end || x->gzip;
        if (curl_easy_getinfo(x->easy, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type)
            r->content_type = (struct span){type, strlen(type)};
    }
}

/* x has ended: tells the user, and makes it idle. */
static void finish(struct fetch *x, struct fetch_result *r)
{
    struct fetcher *f = x->fetcher;
    r->duration_ns = clock_mono_ns() - x->start_ns;
    r->body = (struct span){x->body.data, x->body.len};
    *x->link = x->next;
    if (x->next)
        x->next->link = x->link;
    f->conf.done(f->conf.of, x->user, r);
    keep_body(f, &x->body);
    budget_count(BUDGET_BODIES, &x->counted, 0);
    if (x->bold)
        bold = false;
    x->bold = false;
    gunzip_done(&x->gunzip);
    curl_slist_free_all(x->to);
    curl_slist_free_all(x->headers);
    x->to = x->headers = NULL;
    http_headers_release(x->shared);
    x->shared = NULL;
    target_unref(x->target);
    x->target = NULL;
    x->client->users--;
    x->next = x->client->idle;
    x->client->idle = x;
}

static void transfer_done(void *of, CURL *easy, CURLcode how)
{
    (void)of;
    char *private = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    struct fetch *x = (struct fetch *)(void *)private;
    struct fetch_result r = {.ok = false};
    describe(x, how, &r);
    finish(x, &r);
}

static void set_up(struct fetch *x)
{
    curl_easy_reset(x->easy);
    http_session_apply(&x->client->session, x->easy);
    curl_easy_setopt(x->easy, CURLOPT_HTTP_CONTENT_DECODING, 0L); /* gunzip.h does it */
    curl_easy_setopt(x->easy, CURLOPT_PRIVATE, (char *)x);
    curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, write_body);
    curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, write_header);
    curl_easy_setopt(x->easy, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(x->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* a proxy's */
    curl_easy_setopt(x->easy, CURLOPT_ERRORBUFFER, x->error);
    curl_easy_setopt(x->easy, CURLOPT_BUFFERSIZE, (long)READ_BYTES);
    curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, (long)(x->client->timeout_ns / MS_NS));
    x->version = x->client->session.version;
}

static enum status begin(struct fetch *x, struct fetch_result *ret)
{
    struct http_session *s = &x->client->session;
    struct err *err = &ret->err;
    enum status r = http_session_refresh(s, err);
    if (r != OK)
        return r;
    if (x->version != s->version)
        set_up(x);
    ret->why = SCRAPE_CONNECT;
    x->shared = http_session_headers(s);
    r = http_session_url(s, x->easy, x->target->url, x->shared, &x->to, &x->headers, err);
    return r == OK ? curl_loop_add(x->fetcher->loop, x->shard, x->easy, err) : r;
}

void fetch_start(struct fetcher *f, const struct fetch_request *q)
{
    struct fetch *x = fetch_get(f, client_get(f, q->target));
    x->target = target_ref((struct target *)q->target);
    x->user = q->user;
    x->shard = q->shard;
    x->max_body = q->max_body;
    x->header_bytes = 0;
    x->error[0] = '\0';
    x->body_too_large = x->headers_too_large = x->tells_end = x->gzip = false;
    x->undecoded.status = OK;
    x->no_room = false;
    budget_count(BUDGET_BODIES, &x->counted, side_bytes(q->target, q->expect_body));
    (void)may_take(x, q->expect_body); /* it was asked for: who is first may be the bold one */
    x->body = take_body(f, q->expect_body, q->max_body);
    x->start_ns = clock_mono_ns();
    struct fetch_result r = {.why = SCRAPE_CREDENTIALS};
    if (begin(x, &r) != OK)
        finish(x, &r);
}

void fetch_abort(struct fetcher *f)
{
    while (f->running) {
        struct fetch *x = f->running;
        struct fetch_result r = {.why = SCRAPE_CLOSED};
        curl_loop_remove(f->loop, x->shard, x->easy);
        err_set(&r.err, ERR_CLOSED, "the agent stopped first");
        finish(x, &r);
    }
}

enum status fetcher_new(struct fetcher **ret, const struct fetcher_conf *conf, struct err *err)
{
    struct fetcher *f = mem_alloc(sizeof *f);
    f->conf = *conf;
    long most = conf->max_connections > 1 ? conf->max_connections : 1;
    unsigned shards = most < SHARDS ? (unsigned)most : SHARDS;
    struct curl_loop_conf loop = {
        .shards = shards, .max_connections = most / (long)shards, .done = transfer_done, .of = f};
    enum status s = curl_loop_new(&f->loop, &loop, err);
    if (s != OK) {
        mem_free(f);
        return s;
    }
    *ret = f;
    return OK;
}

void fetcher_free(struct fetcher *f)
{
    if (!f)
        return;
    assert(!f->running);
    curl_loop_free(f->loop);
    for (struct client *c = f->clients, *next; c; c = next) {
        next = c->next;
        client_free(c);
    }
    fetcher_trim(f);
    mem_free(f);
}

struct curl_loop *fetcher_loop(struct fetcher *f)
{
    return f->loop;
}

size_t fetcher_body_bytes(const struct fetcher *f)
{
    return f->body_bytes;
}
