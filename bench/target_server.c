/* SPDX-License-Identifier: Apache-2.0 */
/* target_server.c - many targets in one cheap process, good ones and hostile ones.
 *
 *     target_server [--targets N] [--samples M] [--change PERCENT] [--churn PERMILLE] [--port P] [--ports] [--hosts]
 *                   [--times]
 *
 * Serves /t/0 to /t/N-1, with M samples each, on one port of 127.0.0.1 (0, the default: any
 * free one), with --ports also target I on a port of its own, under any path; with --hosts on that port of all
 * addresses 127.x.y.z, so that each target can have one of its own without a descriptor more.  Prints
 * `ready PORT` when it listens, before that a line `port I PORT` for each port of its own.
 * A page changes before each request; of a thousand series, PERMILLE (0) are new each time.  With
 * --times a line `sent TARGET NUMBER NANOSECONDS` follows for each page, monotonic; numbers begin at 0.
 * Each page then has a connection of its own, which the client closes: when it does so after it has read
 * the whole page a line `read TARGET NUMBER NANOSECONDS` follows.
 * One thread, one epoll; SIGTERM ends it.
 *
 * /stats tells as JSON what was served; hostile.h lists the paths that misbehave.  */
#include "hostile.h"
#include "made_page.h"
#include "mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 16384, STATS_MAX = 4 << 20, EVENTS = 64 };

struct served {
    struct made_page page;
    struct buf head; /* status line and headers: always the same */
    uint64_t begun, done;
    unsigned sending; /* answers under way: the page must not change */
};

struct conn {
    int fd;
    bool listens;
    int fixed; /* the target that all requests here mean, or -1 */
    char in[REQUEST_MAX];
    size_t in_len;
    struct served *of; /* whose page is being sent */
    size_t head_sent, sent;
    const struct served *read; /* whose page has been sent, and is being read */
    uint64_t number;           /* of that page */
    struct hostile hostile;
    bool waits_to_write, drips, close;
    struct conn *next_drip;
};

static struct {
    int epoll;
    struct served *targets;
    unsigned targets_len, change, churn;
    bool hosts;
    size_t samples;
    uint64_t requests, samples_done, bytes, misbehaved[HOSTILE_MODES];
    struct conn *drips;
    int64_t next_drip_ns;
    bool says_times;
} S;

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "target_server: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static void watch(struct conn *c, int how, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    check(epoll_ctl(S.epoll, how, c->fd, &e) == 0, "epoll_ctl");
}

static struct conn *conn_new(int fd, bool listens, int fixed)
{
    struct conn *c = mem_alloc(sizeof *c);
    c->fd = fd;
    c->listens = listens;
    c->fixed = fixed;
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
    return c;
}

static void conn_free(struct conn *c)
{
    for (struct conn **at = &S.drips; *at; at = &(*at)->next_drip) {
        if (*at == c) {
            *at = c->next_drip;
            break;
        }
    }
    if (c->of)
        c->of->sending--;
    close(c->fd);
    hostile_done(&c->hostile);
    mem_free(c);
}

static int listen_on(int port, int fixed)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof a;
    a.sin_addr.s_addr = htonl(S.hosts ? INADDR_ANY : INADDR_LOOPBACK);
    check(fd >= 0, "socket");
    check(!S.hosts || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof "lo") == 0, "lo");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    check(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 4096) == 0, "listen");
    check(getsockname(fd, (struct sockaddr *)&a, &len) == 0, "getsockname");
    conn_new(fd, true, fixed);
    return ntohs(a.sin_port);
}

static void accept_all(const struct conn *listener)
{
    int fd;
    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        conn_new(fd, false, listener->fixed);
}

/* Sends what is left of text from *sent on; false: the connection is gone. */
static bool push(struct conn *c, struct span text, size_t *sent, size_t most, int flags)
{
    while (*sent < text.len && most > 0) {
        size_t n = text.len - *sent < most ? text.len - *sent : most;
        ssize_t got = send(c->fd, text.data + *sent, n, MSG_NOSIGNAL | flags);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR;
        *sent += (size_t)got;
        S.bytes += (uint64_t)got;
        most -= (size_t)got;
    }
    return true;
}

static void say_time(const char *what, const struct conn *c, int64_t ns)
{
    printf("%s %td %llu %lld\n", what, c->read - S.targets, (unsigned long long)c->number,
           (long long)ns);
    fflush(stdout);
}

/* The client has closed the connection; if something was still to be read the kernel says so, or has
 * not got rid of it.  The kernel knows as well when that was: we may be late. */
static void say_end(const struct conn *c)
{
    int left = 0;
    struct tcp_info t = {0};
    socklen_t len = sizeof t;
    if (!c->read || ioctl(c->fd, TIOCOUTQ, &left) != 0 || left > 0)
        return;
    check(getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &t, &len) == 0, "TCP_INFO");
    say_time("read", c, clock_mono_ns() - t.tcpi_last_ack_recv * MS_NS);
}

/* True: the page is out, or the connection is gone and *ret_gone says so. */
static bool send_page(struct conn *c, bool *ret_gone)
{
    struct span head = {c->of->head.data, c->of->head.len};
    struct span text = {c->of->page.text.data, c->of->page.text.len};
    if (!push(c, head, &c->head_sent, SIZE_MAX, MSG_MORE) ||
        (c->head_sent == head.len && !push(c, text, &c->sent, SIZE_MAX, 0))) {
        *ret_gone = true;
        return true;
    }
    if (c->sent < text.len)
        return false;
    c->of->sending--;
    c->of->done++;
    S.samples_done += c->of->page.samples;
    if (S.says_times) {
        c->read = c->of;
        c->number = c->of->begun - 1;
        say_time("sent", c, clock_mono_ns());
    }
    c->of = NULL;
    return true;
}

/* The page changes, unless it is just being sent. */
static void begin_page(struct conn *c, unsigned target)
{
    struct served *t = &S.targets[target];
    t->begun++;
    if (t->sending++ == 0) {
        made_page_step(&t->page, S.change);
        made_page_churn(&t->page, S.churn);
    }
    c->of = t;
    c->sent = c->head_sent = 0;
}

static void add_stats(struct buf *out)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    enum status r = buf_printf(out,
                               "{\"requests\":%llu,\"samples\":%llu,\"bytes\":%llu,"
                               "\"samples_per_target\":%zu,\"cpu_seconds\":%.6f",
                               (unsigned long long)S.requests, (unsigned long long)S.samples_done,
                               (unsigned long long)S.bytes, S.samples, cpu);
    for (enum hostile_mode i = 0; r == OK && i < HOSTILE_MODES; i++)
        r = buf_printf(out, "%s\"%s\":%llu", i ? "," : ",\"hostile\":{", hostile_name(i),
                       (unsigned long long)S.misbehaved[i]);
    if (r == OK)
        r = buf_puts(out, "},\"served\":[");
    for (unsigned i = 0; r == OK && i < S.targets_len; i++)
        r = buf_printf(out, "%s%llu", i ? "," : "", (unsigned long long)S.targets[i].done);
    if (r == OK)
        r = buf_puts(out, "],\"begun\":[");
    for (unsigned i = 0; r == OK && i < S.targets_len; i++)
        r = buf_printf(out, "%s%llu", i ? "," : "", (unsigned long long)S.targets[i].begun);
    check(r == OK && buf_puts(out, "]}\n") == OK, "stats");
}

static void begin_stats(struct conn *c)
{
    AUTO(buf) struct buf body = BUF_INIT(STATS_MAX);
    add_stats(&body);
    hostile_text(&c->hostile, 200, "application/json", (struct span){body.data, body.len});
}

static void begin_drip(struct conn *c)
{
    if (S.drips == NULL)
        S.next_drip_ns = clock_mono_ns() + SEC_NS;
    c->drips = true;
    c->next_drip = S.drips;
    S.drips = c;
    push(c, (struct span){c->hostile.out.data, c->hostile.chunk}, &c->hostile.sent, SIZE_MAX, 0);
}

/* The request in c->in, whose first line this is. */
static void begin_answer(struct conn *c, char *line)
{
    char *path = strchr(line, ' '), *end = path ? strchr(path + 1, ' ') : NULL;
    unsigned long target = ULONG_MAX;
    S.requests++;
    if (end)
        *end = '\0';
    path = end ? path + 1 : line;
    if (c->fixed >= 0)
        target = (unsigned long)c->fixed;
    else if (strncmp(path, "/t/", 3) == 0)
        target = strtoul(path + 3, NULL, 10);
    if (target < S.targets_len) {
        begin_page(c, (unsigned)target);
    } else if (strcmp(path, "/stats") == 0) {
        begin_stats(c);
    } else {
        enum hostile_mode mode = hostile_begin(&c->hostile, path, end ? end + 1 : "");
        S.misbehaved[mode]++;
        if (c->hostile.drips)
            begin_drip(c);
    }
}

/* True: there was a whole request, and its answer has begun. */
static bool take_request(struct conn *c)
{
    char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
    if (!end)
        return false;
    size_t len = (size_t)(end - c->in) + 4;
    end[0] = '\0';
    c->close = strcasestr(c->in, "\r\nConnection: close") != NULL;
    begin_answer(c, c->in);
    memmove(c->in, c->in + len, c->in_len - len);
    c->in_len -= len;
    return true;
}

static void want_write(struct conn *c, bool want)
{
    if (want != c->waits_to_write) {
        c->waits_to_write = want;
        watch(c, EPOLL_CTL_MOD, want ? EPOLLOUT | EPOLLIN : EPOLLIN);
    }
}

/* Goes on with the answer; false: the connection is gone or is to be closed. */
static bool go_on(struct conn *c)
{
    bool gone = false, done = true;
    if (c->of) {
        done = send_page(c, &gone);
    } else if (hostile_active(&c->hostile)) {
        if (c->drips || c->hostile.silent)
            return true;
        struct span text = {c->hostile.out.data, c->hostile.out.len};
        do {
            gone = !push(c, text, &c->hostile.sent, SIZE_MAX, 0);
            done = c->hostile.sent == text.len;
        } while (!gone && done && hostile_again(&c->hostile));
        if (done && !gone) {
            gone = c->hostile.cuts;
            hostile_done(&c->hostile);
        }
    }
    want_write(c, !done && !gone);
    return !gone && !(done && c->close);
}

static bool receive(struct conn *c)
{
    ssize_t got = recv(c->fd, c->in + c->in_len, sizeof c->in - 1 - c->in_len, 0);
    if (got == 0)
        say_end(c);
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    c->in_len += (size_t)got;
    while (!c->of && !hostile_active(&c->hostile) && take_request(c)) {
        if (!go_on(c))
            return false;
    }
    return c->in_len < sizeof c->in - 1;
}

static void drip_all(void)
{
    S.next_drip_ns += SEC_NS;
    for (struct conn *c = S.drips, *next; c; c = next) {
        struct span text = {c->hostile.out.data, c->hostile.out.len};
        next = c->next_drip;
        if (!push(c, text, &c->hostile.sent, 1, 0) || c->hostile.sent == text.len)
            conn_free(c);
    }
}

static int next_wait_ms(void)
{
    if (S.drips == NULL)
        return -1;
    int64_t left = (S.next_drip_ns - clock_mono_ns()) / MS_NS + 1;
    return left < 0 ? 0 : (int)left;
}

static void serve(int signals)
{
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(S.epoll, events, EVENTS, next_wait_ms());
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            bool alive = true;
            if (c->fd == signals)
                return;
            if (c->listens) {
                accept_all(c);
                continue;
            }
            if (events[i].events & EPOLLOUT)
                alive = go_on(c);
            if (alive && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                alive = receive(c);
            if (!alive)
                conn_free(c);
        }
        if (S.drips && clock_mono_ns() >= S.next_drip_ns)
            drip_all();
    }
}

static void make_target(struct served *t, unsigned number, size_t samples)
{
    (S.churn ? made_page_init_churning : made_page_init)(&t->page, number, samples);
    t->head = (struct buf)BUF_INIT(1024);
    check(buf_printf(&t->head,
                     "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                     "%sContent-Length: %zu\r\n\r\n",
                     S.says_times ? "Connection: close\r\n" : "", t->page.text.len) == OK,
          "page");
}

static void raise_descriptors(void)
{
    struct rlimit r;
    check(getrlimit(RLIMIT_NOFILE, &r) == 0, "getrlimit");
    r.rlim_cur = r.rlim_max;
    check(setrlimit(RLIMIT_NOFILE, &r) == 0, "setrlimit");
}

static int signal_fd(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    check(fd >= 0, "signalfd");
    conn_new(fd, false, -1);
    return fd;
}

int main(int argc, char **argv)
{
    int port = 0;
    bool own_ports = false;
    S.targets_len = 1;
    S.samples = 1000;
    S.change = 7;
    for (int i = 1; i < argc; i++) {
        unsigned long n = i + 1 < argc ? strtoul(argv[i + 1], NULL, 10) : 0;
        own_ports |= strcmp(argv[i], "--ports") == 0;
        S.hosts |= strcmp(argv[i], "--hosts") == 0;
        S.says_times |= strcmp(argv[i], "--times") == 0;
        if (strcmp(argv[i], "--targets") == 0)
            S.targets_len = (unsigned)n;
        else if (strcmp(argv[i], "--samples") == 0)
            S.samples = n > 0 ? n : 1;
        else if (strcmp(argv[i], "--change") == 0)
            S.change = (unsigned)n;
        else if (strcmp(argv[i], "--churn") == 0)
            S.churn = (unsigned)n;
        else if (strcmp(argv[i], "--port") == 0)
            port = (int)n;
    }
    raise_descriptors();
    S.epoll = epoll_create1(EPOLL_CLOEXEC);
    check(S.epoll >= 0, "epoll");
    S.targets = mem_alloc((S.targets_len + 1) * sizeof *S.targets);
    for (unsigned i = 0; i < S.targets_len; i++) {
        make_target(&S.targets[i], i, S.samples);
        if (own_ports)
            printf("port %u %d\n", i, listen_on(0, (int)i));
    }
    int signals = signal_fd();
    printf("ready %d\n", listen_on(port, -1));
    fflush(stdout);
    serve(signals);
    return 0;
}
