/* SPDX-License-Identifier: Apache-2.0 */
/* server.c - the bounds that evhttp does not have.
 *
 * evhttp 2.1 tells nobody when a connection ends.  So the server makes each connection's
 * bufferevent and keeps a reference: one whose callbacks are gone was freed by evhttp, and
 * only then its descriptor is closed.  */
#include "server.h"

#include "clock.h"
#include "mem.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IDLE_TICKS = 10 }; /* from one look to the next while nobody is connected */

/* What is read ahead of evhttp, which wants a body whole before it takes it. */
#define INPUT_BYTES (SERVER_HEADER_BYTES + SERVER_BODY_BYTES)

struct slot {
    struct bufferevent *bev; /* NULL: free */
    int64_t since_ns;        /* accepted, or asked */
    bool asked, cut;
};

struct server {
    struct server_conf conf;
    struct event_base *base;
    struct evhttp *http;
    struct evconnlistener *listener; /* evhttp's */
    struct event *tick, *soon; /* soon: beside the ticks, each of which would put off the next */
    struct slot slots[SERVER_CONNECTIONS];
    struct server_counts counts;
};

/* What a reply's bytes belong to until they are sent. */
struct body {
    struct server *server;
    struct buf buf;
};

static bool is_dead(struct bufferevent *bev)
{
    bufferevent_event_cb on_event = NULL;
    bufferevent_getcb(bev, NULL, NULL, &on_event, NULL);
    return on_event == NULL;
}

static void pause_accept(struct server *s, bool paused)
{
    if (paused)
        evconnlistener_disable(s->listener);
    else
        evconnlistener_enable(s->listener);
}

/* evhttp sees the end of the stream and frees the connection. */
static void cut(struct server *s, struct slot *slot)
{
    if (slot->cut)
        return;
    slot->cut = true;
    s->counts.cut++;
    bufferevent_setwatermark(slot->bev, EV_READ, 0, 0); /* a full buffer does not see the end */
    shutdown(bufferevent_getfd(slot->bev), SHUT_RDWR);
}

static void cut_eldest(struct server *s, int64_t now_ns)
{
    struct slot *eldest = NULL;
    for (size_t i = 0; i < s->conf.max_connections; i++) {
        struct slot *slot = &s->slots[i];
        if (slot->bev && !slot->asked && (!eldest || slot->since_ns < eldest->since_ns))
            eldest = slot;
    }
    /* younger ones are given time to ask */
    if (eldest && now_ns - eldest->since_ns >= s->conf.request_ns / 10)
        cut(s, eldest);
}

static void sweep(struct server *s)
{
    int64_t now_ns = clock_mono_ns();
    for (size_t i = 0; i < s->conf.max_connections; i++) {
        struct slot *slot = &s->slots[i];
        if (!slot->bev)
            continue;
        if (is_dead(slot->bev)) {
            bufferevent_decref(slot->bev);
            slot->bev = NULL;
            s->counts.connections--;
        } else if (now_ns - slot->since_ns >
                   (slot->asked ? s->conf.reply_ns : s->conf.request_ns)) {
            cut(s, slot);
        }
    }
    if (s->counts.connections == s->conf.max_connections)
        cut_eldest(s, now_ns);
    else
        pause_accept(s, false);
}

static struct timeval to_timeval(int64_t ns)
{
    return (struct timeval){.tv_sec = ns / SEC_NS, .tv_usec = ns % SEC_NS / 1000};
}

/* Without connections there is nothing to look at, but for a listener that on_accept_error has
 * disabled. */
static void tick_later(struct server *s)
{
    int64_t ticks = s->counts.connections > 0 ? 1 : IDLE_TICKS;
    struct timeval t = to_timeval(ticks * s->conf.tick_ns);
    if (event_add(s->tick, &t) != 0)
        abort(); /* out of memory, as mem.h would say it */
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    sweep(arg);
    tick_later(arg);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    sweep(arg);
}

static struct bufferevent *make_stream(struct server *s)
{
    if (!s->conf.tls)
        return bufferevent_socket_new(s->base, -1, BEV_OPT_CLOSE_ON_FREE);
    SSL *ssl = s->conf.tls(s->conf.of);
    if (!ssl)
        return NULL;
    struct bufferevent *bev = bufferevent_openssl_socket_new(
        s->base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (bev)
        bufferevent_openssl_set_allow_dirty_shutdown(bev, 1); /* on_complete ends it so */
    else
        SSL_free(ssl);
    return bev;
}

/* For a connection that evhttp has just accepted. */
static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
    struct server *s = arg;
    struct slot *slot = NULL;
    if (s->counts.connections + 1 >= s->conf.max_connections)
        sweep(s); /* before, for a new one without callbacks looks dead */
    for (size_t i = 0; i < s->conf.max_connections && !slot; i++)
        if (!s->slots[i].bev)
            slot = &s->slots[i];
    struct bufferevent *bev = slot ? make_stream(s) : NULL;
    (void)base; /* is that of s */
    if (!bev)
        return NULL; /* evhttp makes one without us, bounded by its time-out; see is_in_clear */
    bufferevent_setwatermark(bev, EV_READ, 0, INPUT_BYTES);
    bufferevent_incref(bev);
    *slot = (struct slot){.bev = bev, .since_ns = clock_mono_ns()};
    if (++s->counts.connections == 1)
        tick_later(s);
    if (s->counts.connections == s->conf.max_connections) {
        s->counts.full++;
        pause_accept(s, true);
    }
    return bev;
}

/* No descriptor left: the kernel would say so again at once, for ever.  The next sweep tries again; what
 * else is given here is evhttp's. */
static void on_accept_error(struct evconnlistener *listener, void *evhttp)
{
    (void)evhttp;
    evconnlistener_disable(listener);
}

static struct slot *slot_of(struct server *s, struct evhttp_request *req)
{
    struct bufferevent *bev = evhttp_connection_get_bufferevent(evhttp_request_get_connection(req));
    for (size_t i = 0; i < s->conf.max_connections; i++)
        if (s->slots[i].bev == bev)
            return &s->slots[i];
    return NULL;
}

/* The reply is with the kernel.  After CONNECT evhttp would go on with what else has come. */
static void on_complete(struct evhttp_request *req, void *arg)
{
    struct server *s = arg;
    struct slot *slot = slot_of(s, req);
    if (slot) {
        struct evbuffer *input = bufferevent_get_input(slot->bev);
        evbuffer_drain(input, evbuffer_get_length(input));
        shutdown(bufferevent_getfd(slot->bev), SHUT_RDWR);
    }
    event_active(s->soon, EV_TIMEOUT, 0);
}

static void note_asked(struct server *s, struct evhttp_request *req)
{
    struct slot *slot = slot_of(s, req);
    if (slot && !slot->asked) {
        slot->asked = true;
        slot->since_ns = clock_mono_ns();
    }
}

static void release(const void *data, size_t len, void *arg)
{
    struct body *b = arg;
    (void)data;
    b->server->counts.reply_bytes -= len;
    buf_done(&b->buf);
    mem_free(b);
}

/* The bytes move into what is returned. */
static struct evbuffer *body_of(struct server *s, struct buf *from)
{
    struct evbuffer *out = evbuffer_new();
    if (!out || from->len == 0)
        return out;
    struct body *b = mem_alloc(sizeof *b);
    *b = (struct body){.server = s, .buf = *from};
    *from = (struct buf)BUF_INIT(0);
    s->counts.reply_bytes += b->buf.len;
    if (evbuffer_add_reference(out, b->buf.data, b->buf.len, release, b) != 0)
        release(NULL, b->buf.len, b);
    return out;
}

static void send_reply(struct server *s, struct evhttp_request *req, struct server_reply *reply)
{
    static const char *const headers[][2] = {
        {"Connection", "close"},
        {"Cache-Control", "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"Content-Security-Policy",
         "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'"}};
    struct evkeyvalq *out = evhttp_request_get_output_headers(req);
    char length[24];
    snprintf(length, sizeof length, "%zu", reply->body.len);
    evhttp_add_header(out, "Content-Type", reply->type);
    evhttp_add_header(out, "Content-Length", length);
    if (reply->challenge)
        evhttp_add_header(out, "WWW-Authenticate", reply->challenge);
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        evhttp_add_header(out, headers[i][0], headers[i][1]);
    s->counts.errors += reply->code >= 400;
    if (evhttp_request_get_command(req) == EVHTTP_REQ_HEAD)
        buf_done(&reply->body);
    struct evbuffer *body = body_of(s, &reply->body);
    evhttp_send_reply(req, (int)reply->code, NULL, body);
    if (body)
        evbuffer_free(body);
}

/* Where TLS is spoken: a connection for which there was no place, or no TLS. */
static bool is_in_clear(const struct server *s, struct evhttp_request *req)
{
    struct bufferevent *bev = evhttp_connection_get_bufferevent(evhttp_request_get_connection(req));
    return s->conf.tls && !bufferevent_openssl_get_ssl(bev);
}

/* With a certificate that TLS would not have let through without verifying it. */
static bool is_certified(const struct server *s, struct evhttp_request *req)
{
    if (!s->conf.tls)
        return false;
    SSL *ssl = bufferevent_openssl_get_ssl(
        evhttp_connection_get_bufferevent(evhttp_request_get_connection(req)));
    return ssl && SSL_get0_peer_certificate(ssl) && SSL_get_verify_result(ssl) == X509_V_OK;
}

static void ask(struct server *s, struct evhttp_request *req, const struct evhttp_uri *uri,
                struct server_reply *reply)
{
    const char *path = evhttp_uri_get_path(uri), *query = evhttp_uri_get_query(uri);
    struct evkeyvalq params = {NULL, NULL};
    struct server_request request = {
        .path = path ? path : "",
        .authorization = evhttp_find_header(evhttp_request_get_input_headers(req), "Authorization"),
        .certified = is_certified(s, req)};
    if (query && evhttp_parse_query_str(query, &params) == 0)
        request.q = evhttp_find_header(&params, "q");
    s->conf.answer(s->conf.of, &request, reply);
    evhttp_clear_headers(&params);
}

static void on_request(struct evhttp_request *req, void *arg)
{
    struct server *s = arg;
    struct server_reply reply = {
        .code = 200,
        .type = "text/plain; charset=utf-8",
        .body = BUF_INIT(s->conf.max_reply_bytes - s->counts.reply_bytes),
    };
    enum evhttp_cmd_type method = evhttp_request_get_command(req);
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    const char *text = NULL;
    s->counts.requests++;
    note_asked(s, req);
    evhttp_request_set_on_complete_cb(req, on_complete, s);
    if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        reply.code = 405;
        text = "only GET and HEAD\n";
        evhttp_add_header(evhttp_request_get_output_headers(req), "Allow", "GET, HEAD");
    } else if (is_in_clear(s, req)) {
        reply.code = 503;
        text = "no room for one more connection\n";
    } else if (!uri) {
        reply.code = 400;
        text = "no path\n";
    } else {
        ask(s, req, uri, &reply);
    }
    if (text && buf_puts(&reply.body, text) != OK)
        reply.code = 503;
    send_reply(s, req, &reply);
    buf_done(&reply.body);
}

static bool listen_on(struct server *s, int fd)
{
    struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(s->http, fd);
    if (!bound)
        return false;
    s->listener = evhttp_bound_socket_get_listener(bound);
    evconnlistener_set_error_cb(s->listener, on_accept_error);
    return true;
}

static bool start(struct server *s, int fd)
{
    struct timeval timeout = to_timeval(2 * (s->conf.request_ns + s->conf.reply_ns));
    s->http = evhttp_new(s->base);
    s->tick = event_new(s->base, -1, 0, on_tick, s);
    s->soon = event_new(s->base, -1, 0, on_soon, s);
    if (!s->http || !s->tick || !s->soon)
        return false;
    tick_later(s);
    evhttp_set_max_headers_size(s->http, SERVER_HEADER_BYTES);
    evhttp_set_max_body_size(s->http, SERVER_BODY_BYTES);
    evhttp_set_timeout_tv(s->http, &timeout);        /* of connections that have no slot */
    evhttp_set_allowed_methods(s->http, UINT16_MAX); /* to answer 405 to the others */
    evhttp_set_default_content_type(s->http, NULL);
    evhttp_set_bevcb(s->http, on_accept, s);
    evhttp_set_gencb(s->http, on_request, s);
    return listen_on(s, fd);
}

enum status server_new(struct server **ret, struct event_base *base, int fd,
                       const struct server_conf *conf, struct err *err)
{
    struct server *s = mem_alloc(sizeof *s);
    s->base = base;
    s->conf = *conf;
    if (!start(s, fd)) {
        if (!s->listener)
            close(fd);
        server_free(s);
        return err_set(err, ERR_IO, "libevent cannot serve: no memory or no descriptor left");
    }
    *ret = s;
    return OK;
}

struct server_counts server_counts(const struct server *s)
{
    return s->counts;
}

void server_free(struct server *s)
{
    if (!s)
        return;
    if (s->http)
        evhttp_free(s->http);
    for (size_t i = 0; i < ARRAY_LEN(s->slots); i++)
        if (s->slots[i].bev)
            bufferevent_decref(s->slots[i].bev);
    if (s->tick)
        event_free(s->tick);
    if (s->soon)
        event_free(s->soon);
    /* libevent frees connections, and with them bodies that point here, in its loop. */
    event_base_loop(s->base, EVLOOP_NONBLOCK);
    mem_free(s);
}
