/* SPDX-License-Identifier: Apache-2.0 */
#include "curl_loop.h"

#include "budget.h"
#include "clock.h"
#include "mem.h"
#include "sockets.h"

#include <openssl/crypto.h>
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_MS = 60000 }; /* of one wait */
enum { EVENTS = 64, CONNECTION_BYTES = 12 << 10 /* of one, without TLS */ };

struct shard {
    struct curl_loop *loop;
    CURLM *multi;
    int64_t timer_ns; /* when the multi wants to be called; DEADLINE_NEVER: not */
};

/* What the epoll says of a descriptor: 32 bits for the descriptor, the rest for whose it is. */
enum { WAKE = 0xfffffe, WATCHED = 0xffffff };

struct curl_loop {
    struct curl_loop_conf conf;
    int epoll_fd, wake_fd;
    int watched_fd; /* -1: none yet */
    bool watching;
    int64_t next_ns; /* the least of the shards' timers, or earlier */
    uint64_t ended;  /* transfers so far */
    _Atomic size_t connections;
    struct shard shards[];
};

static CURLcode init_code;

/* libnats frees what it and OpenSSL share when it closes; OpenSSL's own clean-up at exit would then
 * free it again, and race with threads that libnats does not join. */
static void init(void)
{
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    init_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum status net_init(struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init);
    if (init_code != CURLE_OK)
        return err_set(err, ERR_IO, "libcurl: %s", curl_easy_strerror(init_code));
    return OK;
}

static uint64_t tag(uint32_t whose, int fd)
{
    return (uint64_t)whose << 32 | (uint32_t)fd;
}

/* libcurl wants to wait for other events on s. */
static int set_socket(CURL *easy, curl_socket_t s, int what, void *userp, void *socketp)
{
    (void)easy;
    struct shard *shard = userp;
    struct curl_loop *l = shard->loop;
    struct epoll_event e = {.data.u64 = tag((uint32_t)(shard - l->shards), s)};
    e.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s, NULL);
    } else if (socketp) {
        epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, s, &e);
    } else if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, s, &e) == 0 ||
               epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, s, &e) == 0) {
        curl_multi_assign(shard->multi, s, shard); /* known from now on */
    }
    return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *userp)
{
    (void)multi;
    struct shard *shard = userp;
    shard->timer_ns = timeout_ms < 0 ? DEADLINE_NEVER : clock_mono_ns() + timeout_ms * MS_NS;
    if (shard->timer_ns < shard->loop->next_ns)
        shard->loop->next_ns = shard->timer_ns;
    return 0;
}

static curl_socket_t open_socket(void *of, curlsocktype purpose, struct curl_sockaddr *a)
{
    (void)purpose;
    struct curl_loop *l = of;
    curl_socket_t s = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
    if (s != CURL_SOCKET_BAD) {
        budget_add(BUDGET_CLIENTS, CONNECTION_BYTES);
        l->connections++;
    }
    net_socket_opened(s);
    return s;
}

static int close_socket(void *of, curl_socket_t s)
{
    struct curl_loop *l = of;
    l->connections--;
    budget_add(BUDGET_CLIENTS, -CONNECTION_BYTES);
    net_socket_closed(s);
    return close(s);
}

enum status curl_loop_new(struct curl_loop **ret, const struct curl_loop_conf *conf,
                          struct err *err)
{
    assert(conf->shards > 0 && conf->shards < WAKE && conf->max_connections > 0);
    struct curl_loop *l = mem_alloc(sizeof *l + conf->shards * sizeof l->shards[0]);
    l->conf = *conf;
    l->watched_fd = -1;
    l->next_ns = DEADLINE_NEVER;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = tag(WAKE, l->wake_fd)};
    if (l->epoll_fd < 0 || l->wake_fd < 0 ||
        epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &e) != 0) {
        enum status s = err_set(err, ERR_IO, "event loop: %s", strerror(errno));
        curl_loop_free(l);
        return s;
    }
    *ret = l;
    return OK;
}

void curl_loop_free(struct curl_loop *l)
{
    if (!l)
        return;
    for (unsigned i = 0; i < l->conf.shards; i++)
        curl_multi_cleanup(l->shards[i].multi); /* NULL is fine */
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    mem_free(l);
}

static struct shard *get_shard(struct curl_loop *l, uint64_t number)
{
    struct shard *s = &l->shards[number % l->conf.shards];
    if (s->multi)
        return s;
    s->loop = l;
    s->timer_ns = DEADLINE_NEVER;
    s->multi = curl_multi_init();
    if (!s->multi)
        return s;
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
    curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, l->conf.max_connections);
    curl_multi_setopt(s->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return s;
}

enum status curl_loop_add(struct curl_loop *l, uint64_t shard, CURL *easy, struct err *err)
{
    struct shard *s = get_shard(l, shard);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, l);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, l);
    CURLMcode c = s->multi ? curl_multi_add_handle(s->multi, easy) : CURLM_OUT_OF_MEMORY;
    if (c != CURLM_OK)
        return err_set(err, ERR_IO, "libcurl: %s", curl_multi_strerror(c));
    return OK;
}

void curl_loop_remove(struct curl_loop *l, uint64_t shard, CURL *easy)
{
    curl_multi_remove_handle(get_shard(l, shard)->multi, easy);
}

void curl_loop_watch(struct curl_loop *l, int fd, bool on)
{
    assert(l->watched_fd < 0 || l->watched_fd == fd);
    if (on == l->watching)
        return;
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = tag(WATCHED, fd)};
    epoll_ctl(l->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &e);
    l->watched_fd = fd;
    l->watching = on;
}

/* Hands back what has ended. */
static void collect(struct curl_loop *l, struct shard *s)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(s->multi, &left)) != NULL) {
        if (m->msg != CURLMSG_DONE)
            continue;
        CURL *easy = m->easy_handle;
        CURLcode how = m->data.result;
        curl_multi_remove_handle(s->multi, easy);
        l->ended++;
        l->conf.done(l->conf.of, easy, how);
    }
}

static void act(struct curl_loop *l, struct shard *s, curl_socket_t fd, int events)
{
    int running;
    curl_multi_socket_action(s->multi, fd, events, &running);
    collect(l, s);
}

static void run_timers(struct curl_loop *l)
{
    int64_t now_ns = clock_mono_ns();
    if (now_ns < l->next_ns)
        return;
    l->next_ns = DEADLINE_NEVER;
    for (unsigned i = 0; i < l->conf.shards; i++) {
        struct shard *s = &l->shards[i];
        if (!s->multi)
            continue;
        if (s->timer_ns <= now_ns) {
            s->timer_ns = DEADLINE_NEVER;
            act(l, s, CURL_SOCKET_TIMEOUT, 0);
        }
        l->next_ns = clock_earlier(l->next_ns, s->timer_ns);
    }
}

static void handle(struct curl_loop *l, const struct epoll_event *e)
{
    uint32_t whose = (uint32_t)(e->data.u64 >> 32);
    int fd = (int)(uint32_t)e->data.u64;
    eventfd_t count;
    if (whose == WAKE) {
        eventfd_read(fd, &count);
    } else if (whose != WATCHED) {
        int events = (e->events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                     (e->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                     (e->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        act(l, &l->shards[whose], fd, events);
    }
}

void curl_loop_wait(struct curl_loop *l, int64_t deadline_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t ended = l->ended;
    run_timers(l);
    if (l->ended != ended)
        deadline_ns = DEADLINE_NOW; /* whoever waits for that has something to do */
    int64_t until = clock_earlier(l->next_ns, deadline_ns);
    int64_t wait_ns = until - clock_mono_ns();
    int64_t wait_ms = wait_ns <= 0 ? 0 : (wait_ns + MS_NS - 1) / MS_NS;
    int n = epoll_wait(l->epoll_fd, events, EVENTS, wait_ms > MOST_MS ? MOST_MS : (int)wait_ms);
    for (int i = 0; i < n; i++)
        handle(l, &events[i]);
    run_timers(l);
}

int curl_loop_fd(const struct curl_loop *l)
{
    return l->epoll_fd;
}

int64_t curl_loop_timer_ns(const struct curl_loop *l)
{
    return l->next_ns;
}

void curl_loop_wake(struct curl_loop *l)
{
    eventfd_write(l->wake_fd, 1);
}

size_t curl_loop_connections(const struct curl_loop *l)
{
    return l->connections;
}
