/* SPDX-License-Identifier: Apache-2.0 */
/* kube_server.h - both ends of calls to an API server, in one thread: what the server does is
 * written in the test, between two steps of the client.
 *
 *     kube_open("", "token: abc");              a client, of a kubeconfig's cluster and user
 *     struct kube_said said = {0};
 *     kube_get(&said, "/version");
 *     int fd = kube_accept();
 *     CHECK_STR(kube_request(fd), "GET /version HTTP/1.1\r\n...");
 *     kube_answer(fd, "HTTP/1.1 200 OK\r\n...");
 *     KUBE_WAIT(said.ended);  */
#ifndef KUBE_SERVER_H
#define KUBE_SERVER_H

#include "clock.h"
#include "curl_loop.h"
#include "kube_client.h"
#include "kube_config.h"
#include "mem.h"
#include "test.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
    int fd, port; /* listens */
    struct kube_access *access;
    struct kube_client *client;
    char folder[64]; /* of the test's files */
    char text[1 << 16];
} kube;

static inline void kube_stop(void)
{
    clock_release();
    kube_client_free(kube.client);
    kube_access_free(kube.access);
    kube.client = NULL;
    kube.access = NULL;
}

static inline void kube_leave(void)
{
    kube_stop();
    close(kube.fd);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", kube.folder);
    if (system(command) != 0)
        abort();
}

static inline void kube_listen(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    kube.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK_INT(bind(kube.fd, (struct sockaddr *)&a, sizeof a), 0);
    CHECK_INT(listen(kube.fd, 16), 0);
    CHECK_INT(getsockname(kube.fd, (struct sockaddr *)&a, &len), 0);
    kube.port = ntohs(a.sin_port);
}

static inline void kube_start(void)
{
    CHECK_INT(net_init(NULL), OK);
    signal(SIGPIPE, SIG_IGN);
    kube_listen();
    snprintf(kube.folder, sizeof kube.folder, "/tmp/test_kube.XXXXXX");
    CHECK(mkdtemp(kube.folder));
    atexit(kube_leave);
}

/* The path of a file of the test's; a few live at once. */
static inline const char *kube_file(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", kube.folder, name);
    return path;
}

static inline void kube_put(const char *name, const char *text)
{
    FILE *f = fopen(kube_file(name), "w");
    CHECK(f);
    CHECK_INT(fwrite(text, 1, strlen(text), f), strlen(text));
    CHECK_INT(fclose(f), 0);
}

/* The text of a file, "" when there is none; valid until the next call. */
static inline const char *kube_read(const char *name)
{
    static char text[4096];
    FILE *f = fopen(kube_file(name), "r");
    size_t len = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[len] = '\0';
    if (f)
        fclose(f);
    return text;
}

/* A client of that server: "http" or "https", and more of the cluster; and of that user. */
static inline void kube_open(const char *scheme, const char *cluster, const char *user)
{
    static char text[16384];
    struct err err = {.text = ""};
    if (!kube.fd)
        kube_start();
    kube_stop();
    snprintf(text, sizeof text,
             "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
             "clusters: [{name: k, cluster: {server: '%s://127.0.0.1:%d'%s%s}}]\n"
             "users: [{name: u, user: {%s}}]\n",
             scheme, kube.port, cluster[0] ? ", " : "", cluster, user);
    struct kube_config *c = kube_config_new();
    enum status s =
        kube_config_add(c, kube_file("config"), (struct span){text, strlen(text)}, &err);
    s = s == OK ? kube_config_access(c, "", &kube.access, &err) : s;
    s = s == OK ? kube_client_new(&kube.client, kube.access, &err) : s;
    kube_config_free(c);
    CHECK_STR(err.text, "");
    CHECK_INT(s, OK);
}

/* In real time, whatever clock.h says. */
static inline int64_t kube_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SEC_NS + t.tv_nsec;
}

/* Waits until the client has something to do, or fd has (-1: none), for 20 ms; lets it. */
static inline void kube_step(int fd)
{
    struct pollfd p[] = {{.fd = kube_client_fd(kube.client), .events = POLLIN},
                         {.fd = fd, .events = POLLIN},
                         {.fd = kube.fd, .events = POLLIN}};
    int64_t wait_ns = kube_client_timer_ns(kube.client) - clock_mono_ns();
    poll(p, ARRAY_LEN(p),
         wait_ns <= 0           ? 0
         : wait_ns < 20 * MS_NS ? (int)(wait_ns / MS_NS) + 1
                                : 20);
    kube_client_run(kube.client);
}

#define KUBE_WAIT(cond) KUBE_WAIT_ON(-1, cond)
#define KUBE_WAIT_ON(fd_, cond)                                                 \
    for (int64_t until_ = kube_now_ns() + 10 * SEC_NS; !(cond); kube_step(fd_)) \
        if (kube_now_ns() > until_)                                             \
            test_fail(__FILE__, __LINE__, "not within 10 s: %s", #cond);

/* What a call came to. */
struct kube_said {
    bool ended;
    enum status status, take; /* take: what bytes returns from the second piece on */
    int code, pieces;
    int64_t retry_after_ns;
    char err[240], bytes[4096];
    char *body;
    size_t body_len;
    struct kube_call *call, *cancel; /* cancel: by bytes */
    const char *then;                /* what done gets next */
};

static inline void kube_get(struct kube_said *said, const char *path);

static inline void kube_done(void *of, const struct kube_answer *answer)
{
    struct kube_said *said = of;
    const char *then = said->then;
    if (said->ended)
        abort();
    said->ended = true;
    said->status = answer->status;
    said->code = answer->code;
    said->retry_after_ns = answer->retry_after_ns;
    memcpy(said->err, answer->err.text, sizeof said->err);
    said->body = mem_strndup(answer->body, answer->body_len);
    said->body_len = answer->body_len;
    if (then) {
        mem_free(said->body);
        *said = (struct kube_said){.ended = false};
        kube_get(said, then);
    }
}

static inline enum status kube_bytes(void *of, struct span data)
{
    struct kube_said *said = of;
    size_t len = strlen(said->bytes);
    if (data.len < sizeof said->bytes - len)
        memcpy(said->bytes + len, data.data, data.len);
    said->pieces++;
    if (said->cancel)
        kube_call_cancel(said->cancel);
    said->cancel = NULL;
    return said->pieces > 1 ? said->take : OK;
}

static inline void kube_get(struct kube_said *said, const char *path)
{
    struct kube_request q = {.method = "GET", .path = path, .done = kube_done, .of = said};
    said->call = kube_client_send(kube.client, &q);
}

/* Its answer goes to bytes. */
static inline void kube_watch(struct kube_said *said, const char *path, int64_t quiet_ns)
{
    struct kube_request q = {.method = "GET",
                             .path = path,
                             .quiet_ns = quiet_ns,
                             .bytes = kube_bytes,
                             .done = kube_done,
                             .of = said};
    said->call = kube_client_send(kube.client, &q);
}

static inline void kube_forget(struct kube_said *said)
{
    mem_free(said->body);
    *said = (struct kube_said){.ended = false};
}

/* The server's side. */

static inline int kube_accept(void)
{
    int fd = -1;
    KUBE_WAIT((fd = accept4(kube.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
    return fd;
}

/* Nobody has come, as far as a moment tells. */
static inline bool kube_nobody(void)
{
    int fd = accept4(kube.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd < 0;
}

static inline bool request_is_whole(size_t len)
{
    kube.text[len] = '\0';
    const char *end = strstr(kube.text, "\r\n\r\n"), *body = strstr(kube.text, "Content-Length: ");
    size_t want = body ? strtoul(body + strlen("Content-Length: "), NULL, 10) : 0;
    return end && len >= (size_t)(end + 4 - kube.text) + want;
}

/* One request, as text; valid until the next call. */
static inline const char *kube_request(int fd)
{
    size_t len = 0;
    ssize_t n = 1;
    KUBE_WAIT_ON(fd, ((n = recv(fd, kube.text + len, sizeof kube.text - 1 - len, 0)) > 0 &&
                      request_is_whole(len += (size_t)n)) ||
                         n == 0)
    CHECK(n != 0);
    return kube.text;
}

/* The client has hung up. */
static inline void kube_hung_up(int fd)
{
    char c;
    KUBE_WAIT_ON(fd, recv(fd, &c, 1, 0) == 0)
    close(fd);
}

static inline void kube_reply(int fd, const char *text)
{
    CHECK_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* 200 with that body. */
static inline void kube_reply_ok(int fd, const char *body)
{
    char text[4096];
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
             body);
    kube_reply(fd, text);
}

#define KUBE_401 "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"

/* The token that came with the request in kube.text. */
static inline const char *kube_bearer(void)
{
    static char token[128];
    const char *at = strstr(kube.text, "Authorization: Bearer ");
    snprintf(token, sizeof token, "%.*s", at ? (int)strcspn(at + 22, "\r") : 0, at ? at + 22 : "");
    return token;
}

#endif
