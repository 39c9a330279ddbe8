/* SPDX-License-Identifier: Apache-2.0 */
/* http_out.c - payloads on their way; the contract is in http_out.h. */
#include "http_out.h"

#include "clock.h"
#include "compress.h"
#include "http_request.h"
#include "http_token.h"
#include "http_verdict.h"
#include "mem.h"

#include <poll.h>

enum {
    SAID_MAX = 1024,      /* bytes kept of an answer */
    CUT_LEAST = 16 << 10, /* what a 413 makes later payloads, at least */
    URL_SHOWN = 80,
    SOCKETS = 2, /* of connections kept alive: those in use, those for tokens */
};

enum state { FREE, WAITING, RUNNING }; /* WAITING: for a token */

struct flight {
    struct http_request request;
    enum state state;
    struct payload *p;
    struct buf small; /* its body, compressed */
    struct span body; /* what is sent: that, or the payload's own */
    bool compressed;
    bool again;          /* after a 401 */
    uint64_t token;      /* the number of that it was sent with */
    int64_t deadline_ns; /* for all of it */
};

struct http_out {
    struct http_sink_conf conf;
    struct sink_lane *lane;
    struct http_session session;
    struct curl_loop *loop;
    struct compressor *compressor; /* NULL: bodies go as they are */
    struct http_token *token;      /* NULL: no OAuth2 */
    uint64_t token_used;           /* the number of the session's */
    struct err *why;               /* of failed ends, a ring as long as flights */
    size_t why_first, why_len;
    size_t in_flight, len;
    struct flight flights[];
};

static const char *const headers[] = {"User-Agent: strata-agent", NULL};

static void on_done(void *of, CURL *easy, CURLcode how);

enum status http_out_new(struct http_out **ret, const struct http_sink_conf *conf,
                         struct sink_lane *lane, struct err *err)
{
    size_t len = (size_t)conf->connections;
    struct http_out *o = mem_alloc(sizeof *o + len * sizeof o->flights[0]);
    struct curl_loop_conf loop = {
        .shards = 1, .max_connections = (long)len + SOCKETS, .done = on_done, .of = o};
    setting_copy(http_sink_settings, &o->conf, conf);
    o->lane = lane;
    o->why = mem_alloc(len * sizeof *o->why);
    http_session_init(&o->session, &o->conf.client, headers);
    enum status s = net_init(err);
    if (s == OK)
        s = curl_loop_new(&o->loop, &loop, err);
    if (s != OK) {
        http_out_free(o);
        return s;
    }
    o->compressor = compressor_new(compress_named(http_sink_compressions[conf->compression]));
    if (conf->oauth2.token_url[0])
        o->token = http_token_new(&o->conf, o->loop);
    for (; o->len < len; o->len++) {
        http_request_init(&o->flights[o->len].request, &o->session, SAID_MAX,
                          conf->connect_timeout);
        o->flights[o->len].small = (struct buf)BUF_INIT(0);
    }
    *ret = o;
    return OK;
}

static void say_why(struct http_out *o, const struct err *err)
{
    if (o->why_len == o->len) { /* nobody asks */
        o->why_first = (o->why_first + 1) % o->len;
        o->why_len--;
    }
    o->why[(o->why_first + o->why_len++) % o->len] = *err;
}

void http_out_explain(struct http_out *o, struct err *err)
{
    if (o->why_len == 0)
        return;
    *err = o->why[o->why_first];
    o->why_first = (o->why_first + 1) % o->len;
    o->why_len--;
}

/* f is free, its payload the caller's again. */
static struct payload *let_go(struct http_out *o, struct flight *f)
{
    struct payload *p = f->p;
    http_request_stop(&f->request);
    f->p = NULL;
    f->state = FREE;
    o->in_flight--;
    return p;
}

static void end(struct http_out *o, struct flight *f, enum status how, const struct err *err)
{
    if (how != OK)
        say_why(o, err);
    payload_end(let_go(o, f), how);
}

void http_out_free(struct http_out *o)
{
    for (size_t i = 0; i < o->len; i++) {
        struct flight *f = &o->flights[i];
        if (f->state != FREE)
            payload_end(let_go(o, f), ERR_CLOSED);
        http_request_done(&f->request);
        buf_done(&f->small);
    }
    o->lane->connected = false;
    http_token_free(o->token);
    compressor_free(o->compressor);
    http_session_done(&o->session);
    curl_loop_free(o->loop);
    setting_done(http_sink_settings, &o->conf);
    mem_free(o->why);
    mem_free(o);
}

/* Sending. */

static enum status add_headers(struct http_out *o, struct flight *f)
{
    struct http_request *r = &f->request;
    struct payload_headers h;
    enum status s = OK;
    payload_headers(f->p, &h);
    for (size_t i = 0; i < PAYLOAD_HEADERS && s == OK; i++)
        if (h.items[i].value)
            s = http_request_header(r, h.items[i].name, h.items[i].value);
    if (s == OK)
        s = http_request_header(r, "Idempotency-Key", h.id);
    for (size_t i = 0; f->p->headers && f->p->headers[i] && s == OK; i++)
        s = http_request_line(r, f->p->headers[i]);
    if (s == OK && f->compressed)
        s = http_request_header(r, "Content-Encoding", compressor_name(o->compressor));
    return s;
}

static const char *url_of(const struct http_out *o, const struct payload *p)
{
    return p->address.len > 0 ? p->address.data : o->conf.url;
}

/* What keeps a payload from being sent never is the payload's fault: none may be lost for it. */
static enum status not_sent(enum status s)
{
    return s == ERR_IO || s == ERR_AGAIN ? ERR_AGAIN : ERR_DENIED;
}

/* Starts f, with the token of the moment; or f waits for one. */
static enum status go(struct http_out *o, struct flight *f, struct err *err)
{
    uint64_t number = 0;
    enum status s = OK;
    if (o->token) {
        s = http_token_want(o->token, &number, err);
        if (s != OK)
            return not_sent(s);
        if (number == 0) {
            f->state = WAITING;
            return OK;
        }
        if (number != o->token_used)
            http_session_set_bearer(&o->session, http_token_text(o->token));
        f->token = o->token_used = number;
    }
    s = http_request_open(&f->request, url_of(o, f->p), err);
    if (s == OK && (s = add_headers(o, f)) != OK)
        (void)err_set(err, s, "too many headers");
    if (s == OK)
        s = http_request_start(&f->request, o->loop, http_sink_methods[o->conf.method], f->body,
                               f->deadline_ns - clock_mono_ns(), err);
    f->state = RUNNING;
    return s == OK ? OK : not_sent(s);
}

enum status http_out_send(struct http_out *o, struct payload *p, struct err *err)
{
    struct flight *f = o->flights;
    while (f < o->flights + o->len && f->state != FREE)
        f++;
    if (f == o->flights + o->len)
        return err_set(err, ERR_AGAIN, "%zu requests are under way", o->len);
    f->p = p;
    f->again = false;
    f->deadline_ns = clock_mono_ns() + o->conf.timeout;
    o->in_flight++;
    f->compressed = compress_payload(o->compressor, p, &f->small, &f->body);
    enum status s = go(o, f, err);
    if (s != OK)
        (void)let_go(o, f);
    return s;
}

/* Ends. */

static enum status verdict(const struct flight *f, const struct http_answer *a)
{
    if (a->code >= 300)
        return http_verdict(a->code, f->p->unknown); /* however its body ended */
    if (a->whole)
        return OK;
    return http_verdict_failed(a->how, a->sent || a->code > 0);
}

static void describe(const struct http_out *o, const struct flight *f, const struct http_answer *a,
                     enum status s, struct err *err)
{
    char words[HTTP_WORDS_MAX];
    struct span url = http_sink_shown(url_of(o, f->p));
    http_answer_words(a, words);
    (void)err_set(err, s, "%s %.*s%s: %s", http_sink_methods[o->conf.method],
                  url.len < URL_SHOWN ? (int)url.len : URL_SHOWN, url.data,
                  url.len < URL_SHOWN ? "" : "...", words);
}

/* After a 401, whether there is, or will be, another credential than the one it was sent with. */
static bool renew(struct http_out *o, const struct flight *f)
{
    if (o->token) {
        http_token_refused(o->token, f->token);
        return true;
    }
    http_session_look(&o->session);
    return http_session_refresh(&o->session, NULL) == OK &&
           f->request.version != o->session.version;
}

static bool send_again(struct http_out *o, struct flight *f, const struct http_answer *a)
{
    struct err err = {.text = ""};
    if (a->code != 401 || f->again || !renew(o, f) || clock_mono_ns() >= f->deadline_ns)
        return false;
    f->again = true;
    enum status s = go(o, f, &err);
    if (s != OK)
        end(o, f, s, &err);
    return true;
}

/* What an answer says for those to come. */
static void learn(struct http_out *o, const struct flight *f, const struct http_answer *a,
                  enum status s)
{
    size_t half = f->p->body.len / 2;
    o->lane->connects += a->connects;
    o->lane->connected = a->code > 0;
    if (s == ERR_LIMIT && half >= CUT_LEAST && half < o->lane->max_payload)
        o->lane->max_payload = half;
    int64_t until_ns = clock_mono_ns() + a->retry_after_ns;
    if (a->retry_after_ns > 0 && status_retryable(s) && until_ns > o->lane->not_before_ns)
        o->lane->not_before_ns = until_ns;
}

static void flight_ended(struct http_out *o, struct flight *f, CURLcode how)
{
    struct http_answer a;
    struct err err = {.text = ""};
    http_request_finish(&f->request, how, &a);
    enum status s = verdict(f, &a);
    learn(o, f, &a, s);
    if (send_again(o, f, &a))
        return;
    if (s != OK)
        describe(o, f, &a, s, &err);
    end(o, f, s, &err);
}

/* Those that waited for it go on, or have failed with it. */
static void token_ended(struct http_out *o, enum status how, const struct err *why)
{
    for (size_t i = 0; i < o->len; i++) {
        struct flight *f = &o->flights[i];
        struct err err = *why;
        if (f->state != WAITING)
            continue;
        enum status s = how == OK ? go(o, f, &err) : how;
        if (s != OK)
            end(o, f, s, &err);
    }
}

static void on_done(void *of, CURL *easy, CURLcode how)
{
    struct http_out *o = of;
    struct err err = {.text = ""};
    enum status s;
    if (o->token && http_token_ended(o->token, easy, how, &s, &err))
        token_ended(o, s, &err);
    else
        for (size_t i = 0; i < o->len; i++)
            if (o->flights[i].request.easy == easy)
                flight_ended(o, &o->flights[i], how);
}

/* Ends those that have waited too long for a token; returns when to look again. */
static int64_t end_overdue(struct http_out *o)
{
    int64_t next_ns = DEADLINE_NEVER, now_ns = clock_mono_ns();
    for (size_t i = 0; i < o->len; i++) {
        struct flight *f = &o->flights[i];
        struct err err;
        if (f->state != WAITING)
            continue;
        if (f->deadline_ns <= now_ns)
            end(o, f, err_set(&err, ERR_AGAIN, "no token yet"), &err);
        else
            next_ns = clock_earlier(next_ns, f->deadline_ns);
    }
    return next_ns;
}

static void step(struct http_out *o, int64_t deadline_ns)
{
    int64_t next_ns = end_overdue(o);
    curl_loop_wait(o->loop, clock_earlier(next_ns, deadline_ns));
}

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

enum status http_out_run(struct http_out *o, int wake_fd, int64_t deadline_ns)
{
    curl_loop_watch(o->loop, wake_fd, true);
    do {
        step(o, deadline_ns);
        if (is_readable(wake_fd))
            return OK;
    } while (clock_mono_ns() < deadline_ns);
    return ERR_TIMEOUT;
}

enum status http_out_flush(struct http_out *o, int64_t deadline_ns, struct err *err)
{
    while (o->in_flight > 0) {
        step(o, deadline_ns);
        if (o->in_flight > 0 && clock_mono_ns() >= deadline_ns)
            return err_set(err, ERR_TIMEOUT, "%zu requests are not answered", o->in_flight);
    }
    return OK;
}
