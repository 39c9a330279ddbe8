/* SPDX-License-Identifier: Apache-2.0 */
/* bench_floor.c - what the kernel alone costs of an agent's work: bytes in, bytes out, at the same pace.
 *
 *     bench_floor [--copy] NATS_HOST NATS_PORT INTERVAL_MS FILE
 *
 * FILE has a line `HOST PORT PATH BYTES` for each target: where its page is, IPv4, and how long the message
 * of one scrape is.  Every INTERVAL_MS each target is due once, evenly spread: its page is read over a
 * connection that is kept, one for each HOST and PORT, and BYTES of text go to a nats-server, in
 * pieces as long as the agent's messages.  One thread, plain sockets, one call for each piece;
 * nothing is parsed or encoded.  --copy: page and message are copied once, as client libraries do.
 * What is left is what an agent cannot save with these system calls, unless it sends fewer bytes.
 *
 * Prints nothing; SIGTERM ends it, and so does whatever goes wrong, with status 1.  Who measures reads its
 * CPU from /proc, and what it has scraped from the target server (floor.py).  */
#include "clock.h"
#include "mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BODY_MAX = 64 << 20, HEAD_MAX = 4096, PIECE_MAX = 512 << 10, PATIENCE_S = 10 };

struct target {
    char host[64], path[1024];
    unsigned port;
    size_t bytes;
    int fd;
    char *request;
};

static struct {
    struct target *targets;
    size_t targets_len;
    char *body, *body_copy, *text, *text_copy;
    bool copies;
    int nats;
    char in[HEAD_MAX]; /* of a line of the NATS protocol: what has come of it */
    size_t in_len, piece;
    bool ready;
} S;

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench_floor: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static int connect_to(const char *host, unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    check(fd >= 0 && inet_pton(AF_INET, host, &a.sin_addr) == 1, host);
    check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
              setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
              setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0,
          "setsockopt");
    check(connect(fd, (struct sockaddr *)&a, sizeof a) == 0, "connect");
    return fd;
}

static void send_all(int fd, struct iovec *parts, size_t parts_len)
{
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = parts_len};
    size_t len = 0;
    for (size_t i = 0; i < parts_len; i++)
        len += parts[i].iov_len;
    check(sendmsg(fd, &m, MSG_NOSIGNAL) == (ssize_t)len, "send");
}

static void send_text(int fd, const char *text)
{
    send_all(fd, &(struct iovec){(char *)text, strlen(text)}, 1);
}

/* Bytes of the answer whose first len are in S.body; 0: its head is not whole yet. */
static size_t answer_len(size_t len)
{
    static const char ok[] = "HTTP/1.1 200 ", length[] = "\r\nContent-Length: ";
    char *end = memmem(S.body, len < HEAD_MAX ? len : HEAD_MAX, "\r\n\r\n", 4);
    check(end || len < HEAD_MAX, "no end of an answer's head");
    if (!end)
        return 0;
    *end = '\0';
    char *at = strcasestr(S.body, length);
    check(strncmp(S.body, ok, sizeof ok - 1) == 0 && at, "no answer 200 with Content-Length");
    size_t body = strtoul(at + sizeof length - 1, NULL, 10), head = (size_t)(end - S.body) + 4;
    check(body <= BODY_MAX - HEAD_MAX, "page too long");
    return head + body;
}

static void read_answer(int fd)
{
    size_t len = 0, whole = 0;
    while (whole == 0 || len < whole) {
        ssize_t got = whole ? recv(fd, S.body + len, whole - len, MSG_WAITALL)
                            : recv(fd, S.body + len, BODY_MAX - len, 0);
        check(got > 0, "an answer ended early");
        len += (size_t)got;
        if (whole == 0)
            whole = answer_len(len);
    }
    check(len == whole, "more than an answer");
    if (S.copies)
        memcpy(S.body_copy, S.body, len);
}

static void publish(size_t bytes)
{
    const char *text = S.text;
    if (S.copies)
        text = memcpy(S.text_copy, S.text, bytes);
    for (size_t sent = 0, n; sent < bytes; sent += n) {
        char head[64];
        n = bytes - sent < S.piece ? bytes - sent : S.piece;
        int head_len = snprintf(head, sizeof head, "PUB metrics.floor %zu\r\n", n);
        struct iovec parts[] = {
            {head, (size_t)head_len}, {(char *)text + sent, n}, {(char *)"\r\n", 2}};
        send_all(S.nats, parts, ARRAY_LEN(parts));
    }
}

static void hear_line(const char *line)
{
    static const char most[] = "\"max_payload\":";
    const char *at = strstr(line, most);
    if (strcmp(line, "PING") == 0)
        send_text(S.nats, "PONG\r\n");
    S.ready |= strcmp(line, "PONG") == 0;
    check(strncmp(line, "-ERR", 4) != 0, line);
    if (strncmp(line, "INFO ", 5) == 0 && at) {
        S.piece = strtoul(at + sizeof most - 1, NULL, 10);
        S.piece = S.piece < PIECE_MAX ? S.piece : PIECE_MAX;
    }
}

static void hear_nats(void)
{
    ssize_t got = recv(S.nats, S.in + S.in_len, sizeof S.in - S.in_len, 0);
    check(got > 0, "nats-server is gone, or its line too long");
    S.in_len += (size_t)got;
    for (char *end; (end = memmem(S.in, S.in_len, "\r\n", 2));) {
        size_t len = (size_t)(end - S.in) + 2;
        *end = '\0';
        hear_line(S.in);
        S.in_len -= len;
        memmove(S.in, S.in + len, S.in_len);
    }
}

static void open_nats(const char *host, unsigned port)
{
    S.nats = connect_to(host, port);
    while (S.piece == 0)
        hear_nats();
    send_text(S.nats, "CONNECT {\"verbose\":false}\r\nPING\r\n");
    while (!S.ready)
        hear_nats();
}

static void open_target(struct target *t)
{
    char request[sizeof t->path + 128];
    const struct target *other = S.targets;
    while (other < t && (other->port != t->port || strcmp(other->host, t->host) != 0))
        other++;
    t->fd = other < t ? other->fd : connect_to(t->host, t->port);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%u\r\n\r\n", t->path, t->host,
             t->port);
    t->request = mem_strdup(request);
}

static void open_targets(const char *path)
{
    FILE *f = fopen(path, "re");
    struct target t = {.fd = -1};
    size_t most = 0;
    check(f != NULL, path);
    while (fscanf(f, "%63s %u %1023s %zu", t.host, &t.port, t.path, &t.bytes) == 4) {
        S.targets = mem_realloc(S.targets, (S.targets_len + 1) * sizeof t);
        S.targets[S.targets_len++] = t;
        most = t.bytes > most ? t.bytes : most;
    }
    check(feof(f) && S.targets_len > 0 && most <= BODY_MAX, "no lines HOST PORT PATH BYTES");
    fclose(f);
    for (size_t i = 0; i < S.targets_len; i++)
        open_target(&S.targets[i]);
    S.body = mem_alloc(BODY_MAX);
    S.body_copy = mem_alloc(BODY_MAX);
    S.text = mem_alloc(most + 1);
    S.text_copy = mem_alloc(most + 1);
    memset(S.text, 'x', most);
}

/* False: SIGTERM came first.  Looks at least once, so that pings are answered when all is late, too. */
static bool wait_until(int64_t due_ns, const sigset_t *meanwhile)
{
    for (;;) {
        struct pollfd nats = {.fd = S.nats, .events = POLLIN};
        int64_t left = due_ns - clock_mono_ns();
        left = left < 0 ? 0 : left;
        int n = ppoll(&nats, 1, &(struct timespec){left / SEC_NS, left % SEC_NS}, meanwhile);
        if (n <= 0)
            return n == 0;
        hear_nats();
    }
}

static void ignore(int number)
{
    (void)number;
}

int main(int argc, char **argv)
{
    sigset_t term, before;
    S.copies = argc > 1 && strcmp(argv[1], "--copy") == 0;
    argv += S.copies;
    if (argc - S.copies != 5) {
        fputs("bench_floor [--copy] NATS_HOST NATS_PORT INTERVAL_MS FILE\n", stderr);
        return 2;
    }
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = ignore}, NULL);
    open_nats(argv[1], (unsigned)strtoul(argv[2], NULL, 10));
    open_targets(argv[4]);
    int64_t interval_ns = strtol(argv[3], NULL, 10) * MS_NS, start_ns = clock_mono_ns();
    for (;; start_ns += interval_ns) {
        for (size_t i = 0; i < S.targets_len; i++) {
            struct target *t = &S.targets[i];
            int64_t offset_ns = interval_ns / (int64_t)S.targets_len * (int64_t)i;
            if (!wait_until(start_ns + offset_ns, &before))
                return 0;
            send_text(t->fd, t->request);
            read_answer(t->fd);
            publish(t->bytes);
        }
    }
}
