/* SPDX-License-Identifier: Apache-2.0 */
/* kube_client.c - calls wait, run, have ended; kube_client_run moves them on.
 *
 * What a user may do within bytes happens while libcurl is at work, and must not touch its handles:
 * so sending and cancelling only mark calls, and the marks are acted upon afterwards.  */
#include "kube_client.h"

#include "clock.h"
#include "curl_loop.h"
#include "http_session.h"
#include "kube_answer.h"
#include "kube_exec.h"
#include "budget.h"
#include "mem.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    CONNECTIONS = 16, /* kept alive */
    CONNECT_MS = 10000,
    READ_BYTES = 64 << 10,
    HEADERS_MAX = 64 << 10,
    KEEPALIVE_S = 30, /* for what lies between: quiet_ns finds out by itself */
};

enum state { WAITING, RUNNING, ENDED };

struct kube_call {
    struct kube_client *client;
    struct kube_call *next;
    struct kube_request q; /* path and body are the call's own */
    char *path, *body_copy;
    enum state state;
    bool cancelled;
    bool ready;       /* the credential was made for this call, or later */
    bool again;       /* after a 401 */
    uint64_t version; /* of the session it was started with */
    int64_t start_ns, heard_ns;
    CURL *easy; /* of RUNNING and ENDED; NULL: it has never run */
    CURLcode how;
    enum status said; /* by bytes */
    bool body_too_large;
    size_t header_bytes;
    bool headers_whole;
    struct buf body;
    size_t counted; /* of it, in the budget */
    struct http_headers *shared;
    struct curl_slist *to, *headers;
    struct curl_slist type; /* in front of the shared headers */
    char type_line[100];
    char error[CURL_ERROR_SIZE];
    struct kube_answer answer; /* of one that ended without libcurl */
};

struct kube_client {
    const struct kube_access *access;
    struct http_session session;
    struct curl_loop *loop;
    int epoll_fd;
    bool inside; /* kube_client_run */
    struct kube_call *calls;
    struct kube_exec_run *plugin; /* NULL: none runs */
    bool have_credential;
    int64_t expires_ms; /* 0: never */
    struct kube_client_books books;
};

static const char *const headers[] = {"User-Agent: strata-agent/" STRATA_VERSION,
                                      "Accept: application/json", "Expect:", NULL};

/* Making and freeing. */

static void transfer_done(void *of, CURL *easy, CURLcode how)
{
    (void)of;
    char *private = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    struct kube_call *call = (struct kube_call *)(void *)private;
    call->state = ENDED;
    /* libcurl takes headers that are cut off for an answer. */
    call->how = how == CURLE_OK && !call->headers_whole ? CURLE_PARTIAL_FILE : how;
}

static void set_pem(struct kube_client *c, const struct kube_credential *from)
{
    const struct kube_access *a = c->access;
    bool own = from && from->cert;
    struct http_pem pem = {
        .ca = a->ca, .cert = own ? from->cert : a->cert, .key = own ? from->key : a->key};
    http_session_set_pem(&c->session, &pem);
}

static bool watch(int epoll_fd, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0;
}

enum status kube_client_new(struct kube_client **ret, const struct kube_access *access,
                            struct err *err)
{
    struct kube_client *c = mem_alloc(sizeof *c);
    struct curl_loop_conf loop = {
        .shards = 1, .max_connections = CONNECTIONS, .done = transfer_done, .of = c};
    c->access = access;
    http_session_init(&c->session, &access->http, headers);
    set_pem(c, NULL);
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    enum status s = curl_loop_new(&c->loop, &loop, err);
    if (s == OK && (c->epoll_fd < 0 || !watch(c->epoll_fd, curl_loop_fd(c->loop))))
        s = err_set(err, ERR_IO, "event loop: %s", strerror(errno));
    if (s == OK)
        *ret = c;
    else
        kube_client_free(c);
    return s;
}

/* Out of libcurl; what it read of us may go. */
static void stop(struct kube_call *call)
{
    if (call->state == RUNNING)
        curl_loop_remove(call->client->loop, 0, call->easy);
    curl_easy_cleanup(call->easy); /* NULL is fine */
    call->easy = NULL;
    curl_slist_free_all(call->to);
    curl_slist_free_all(call->headers);
    call->to = call->headers = NULL;
    http_headers_release(call->shared);
    call->shared = NULL;
}

static void call_free(struct kube_call *call)
{
    stop(call);
    buf_done(&call->body);
    budget_count(BUDGET_DISCOVERY, &call->counted, 0);
    mem_free(call->path);
    mem_free(call->body_copy);
    mem_free(call);
}

void kube_client_free(struct kube_client *c)
{
    if (!c)
        return;
    assert(!c->inside);
    for (struct kube_call *call = c->calls, *next; call; call = next) {
        next = call->next;
        call_free(call);
    }
    kube_exec_free(c->plugin);
    http_session_done(&c->session);
    curl_loop_free(c->loop);
    if (c->epoll_fd >= 0)
        close(c->epoll_fd);
    mem_free(c);
}

struct kube_call *kube_client_send(struct kube_client *c, const struct kube_request *q)
{
    struct kube_call *call = mem_alloc(sizeof *call), **last = &c->calls;
    call->client = c;
    call->q = *q;
    call->q.path = call->path = mem_strdup(q->path);
    call->q.body.data = call->body_copy =
        q->body.data ? mem_strndup(q->body.data, q->body.len) : NULL;
    call->body = (struct buf)BUF_INIT(KUBE_BODY_MAX);
    call->start_ns = call->heard_ns = clock_mono_ns();
    while (*last)
        last = &(*last)->next;
    *last = call;
    c->books.calls++;
    return call;
}

/* Takes out those that were cancelled, and those that were told. */
static void sweep(struct kube_client *c)
{
    for (struct kube_call **at = &c->calls; *at;) {
        struct kube_call *call = *at;
        if (call->cancelled) {
            *at = call->next;
            call_free(call);
        } else {
            at = &call->next;
        }
    }
}

void kube_call_cancel(struct kube_call *call)
{
    call->cancelled = true;
    if (!call->client->inside)
        sweep(call->client);
}

/* A transfer. */

static size_t write_body(char *data, size_t size, size_t n, void *of)
{
    struct kube_call *call = of;
    long code = 0;
    (void)size; /* is 1 */
    call->heard_ns = clock_mono_ns();
    call->client->books.bytes += n;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &code);
    if (call->cancelled)
        return 0;
    if (call->q.bytes && code >= 200 && code < 300) {
        call->said = call->q.bytes(call->q.of, (struct span){data, n});
        return call->said == OK && !call->cancelled ? n : 0;
    }
    size_t room = KUBE_BODY_MAX - call->body.len;
    call->body_too_large = n > room;
    if (buf_add(&call->body, data, n < room ? n : room) != OK)
        call->body_too_large = true;
    budget_count(BUDGET_DISCOVERY, &call->counted, call->body.cap);
    return call->body_too_large ? 0 : n;
}

static size_t write_header(char *data, size_t size, size_t n, void *of)
{
    struct kube_call *call = of;
    (void)size; /* is 1 */
    call->heard_ns = clock_mono_ns();
    call->header_bytes += n;
    if (n <= 2 && data[0] < ' ')
        call->headers_whole = true; /* the empty line */
    else if (n > 5 && memcmp(data, "HTTP/", 5) == 0)
        call->headers_whole = false;
    return call->header_bytes > HEADERS_MAX || call->cancelled ? 0 : n;
}

static void set_body(struct kube_call *call)
{
    curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, call->q.method);
    if (!call->q.body.data)
        return;
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->q.body.len);
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->q.body.data);
    snprintf(call->type_line, sizeof call->type_line, "Content-Type: %s",
             call->q.content_type ? call->q.content_type : "application/json");
    call->type.data = call->type_line;
    call->type.next = call->headers ? call->headers : call->shared->list;
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, &call->type);
}

static void set_up(struct kube_call *call)
{
    CURL *easy = call->easy;
    http_session_apply(&call->client->session, easy);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, write_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)READ_BYTES);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
}

static void fail(struct kube_call *call, enum status s, const char *what)
{
    stop(call);
    call->state = ENDED;
    call->answer = (struct kube_answer){.status = s};
    kube_answer_fail(&call->answer, s, call->q.method, call->path, what);
}

static void begin(struct kube_call *call)
{
    struct kube_client *c = call->client;
    struct err err = {.text = ""};
    char *url = NULL;
    if (http_session_refresh(&c->session, &err) != OK) {
        fail(call, ERR_DENIED, err.text);
        return;
    }
    call->version = c->session.version;
    call->easy = curl_easy_init();
    if (!call->easy)
        abort(); /* out of memory, as mem.h would say it */
    set_up(call);
    call->shared = http_session_headers(&c->session);
    size_t server = strlen(c->access->server), path = strlen(call->path);
    url = mem_alloc(server + path + 1);
    memcpy(url, c->access->server, server);
    memcpy(url + server, call->path, path);
    enum status s = http_session_url(&c->session, call->easy, url, call->shared, &call->to,
                                     &call->headers, &err);
    mem_free(url);
    set_body(call);
    if (s == OK)
        s = curl_loop_add(c->loop, 0, call->easy, &err);
    if (s != OK)
        fail(call, s, err.text);
    else
        call->state = RUNNING;
}

/* Credentials of a plugin. */

static bool has_credential(const struct kube_client *c)
{
    return c->have_credential && (c->expires_ms == 0 || clock_wall_ms() < c->expires_ms);
}

static bool needs_plugin(const struct kube_call *call)
{
    return call->client->access->exec && !call->ready && !has_credential(call->client);
}

/* All calls that wait for it end, or may go on. */
static void plugin_ended(struct kube_client *c, enum status s, const struct err *err)
{
    for (struct kube_call *call = c->calls; call; call = call->next) {
        if (call->state != WAITING || call->cancelled || !needs_plugin(call))
            continue;
        if (s == OK)
            call->ready = true;
        else
            fail(call, ERR_DENIED, err->text);
    }
}

static void use_credential(struct kube_client *c, struct kube_credential *got)
{
    http_session_set_bearer(&c->session, got->token);
    set_pem(c, got);
    c->expires_ms = got->expires_ms;
    kube_credential_done(got);
    (void)!http_session_refresh(&c->session, NULL); /* begin() tells of a fault */
}

static void run_plugin(struct kube_client *c)
{
    struct kube_credential got;
    struct err err = {.text = ""};
    enum status s = c->plugin ? kube_exec_poll(c->plugin, &got, &err) : ERR_AGAIN;
    if (s == ERR_AGAIN)
        return;
    kube_exec_free(c->plugin);
    c->plugin = NULL;
    if (s == OK)
        use_credential(c, &got);
    plugin_ended(c, s, &err);
    c->have_credential = s == OK;
}

static void start_plugin(struct kube_client *c)
{
    struct err err = {.text = ""};
    c->have_credential = false;
    enum status s = kube_exec_start(&c->plugin, c->access->exec, c->epoll_fd, &err);
    if (s != OK)
        plugin_ended(c, s, &err);
}

/* After a 401: whether there is another credential than the one it was sent with. */
static bool renew(struct kube_client *c, const struct kube_call *call)
{
    bool newer = call->version != c->session.version;
    if (c->access->exec) {
        c->have_credential = c->have_credential && newer;
        return true;
    }
    http_session_look(&c->session);
    return http_session_refresh(&c->session, NULL) == OK && call->version != c->session.version;
}

/* The end of calls. */

static bool try_again(struct kube_call *call)
{
    long code = 0;
    if (call->easy)
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &code);
    if (code != 401 || call->again || !renew(call->client, call))
        return false;
    stop(call);
    call->state = WAITING;
    call->again = true;
    call->ready = false;
    call->body_too_large = false;
    call->header_bytes = 0;
    call->headers_whole = false;
    call->error[0] = '\0';
    buf_truncate(&call->body, 0);
    return true;
}

static void tell(struct kube_call *call)
{
    struct kube_client *c = call->client;
    struct kube_answer answer = call->answer;
    if (call->easy) {
        struct kube_ending e = {.method = call->q.method,
                                .path = call->path,
                                .trust = c->access->trust,
                                .easy = call->easy,
                                .how = call->how,
                                .error = call->error,
                                .body_too_large = call->body_too_large,
                                .said = call->said,
                                .body = {call->body.data, call->body.len}};
        kube_answer_fill(&answer, &e);
    }
    answer.body = call->body.data;
    answer.body_len = call->body.len;
    c->books.failed += answer.status != OK;
    stop(call); /* its connection is free for what done starts */
    call->q.done(call->q.of, &answer);
    call->cancelled = true;
}

static int64_t late_ns(const struct kube_call *call)
{
    int64_t at_ns = DEADLINE_NEVER;
    if (call->q.timeout_ns > 0)
        at_ns = call->start_ns + call->q.timeout_ns;
    if (call->q.quiet_ns > 0 && call->heard_ns + call->q.quiet_ns < at_ns)
        at_ns = call->heard_ns + call->q.quiet_ns;
    return at_ns;
}

/* A code that came tells more than that the rest of its body did not. */
static void end_late(struct kube_call *call)
{
    char what[80];
    long code = 0;
    if (call->easy)
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &code);
    if (code >= 300) {
        curl_loop_remove(call->client->loop, 0, call->easy);
        call->state = ENDED;
        call->how = CURLE_PARTIAL_FILE;
        return;
    }
    bool quiet = call->q.timeout_ns <= 0 ||
                 call->start_ns + call->q.timeout_ns > call->heard_ns + call->q.quiet_ns;
    quiet = quiet && call->q.quiet_ns > 0;
    snprintf(what, sizeof what, quiet ? "no byte for %g s" : "not done within %g s",
             (double)(quiet ? call->q.quiet_ns : call->q.timeout_ns) / (double)SEC_NS);
    fail(call, ERR_TIMEOUT, what);
    call->answer.code = (int)code;
}

/* Calls that users add meanwhile come behind, and wait for the next run. */
void kube_client_run(struct kube_client *c)
{
    c->inside = true;
    run_plugin(c);
    curl_loop_wait(c->loop, DEADLINE_NOW);
    int64_t now_ns = clock_mono_ns();
    for (struct kube_call *call = c->calls; call; call = call->next) {
        if (!call->cancelled && call->state != ENDED && late_ns(call) <= now_ns)
            end_late(call);
        if (!call->cancelled && call->state == ENDED && !try_again(call))
            tell(call);
    }
    for (struct kube_call *call = c->calls; call; call = call->next) {
        if (call->cancelled || call->state != WAITING)
            continue;
        if (!needs_plugin(call))
            begin(call);
        else if (!c->plugin)
            start_plugin(c);
    }
    c->inside = false;
    sweep(c);
}

int kube_client_fd(const struct kube_client *c)
{
    return c->epoll_fd;
}

int64_t kube_client_timer_ns(const struct kube_client *c)
{
    int64_t at_ns = curl_loop_timer_ns(c->loop);
    if (c->plugin)
        at_ns = clock_earlier(at_ns, kube_exec_timer_ns(c->plugin));
    for (struct kube_call *call = c->calls; call; call = call->next) {
        bool waits = call->state == WAITING && needs_plugin(call) && c->plugin;
        int64_t call_ns = call->state == RUNNING || waits ? late_ns(call) : DEADLINE_NOW;
        at_ns = clock_earlier(call_ns, at_ns);
    }
    return at_ns;
}

struct kube_client_books kube_client_books(const struct kube_client *c)
{
    return c->books;
}
