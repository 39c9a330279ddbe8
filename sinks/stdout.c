/* SPDX-License-Identifier: Apache-2.0 */
/* stdout.c - writes payloads to standard output; for trying things out. */
#include "clock.h"
#include "mem.h"
#include "sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct stdout_conf {
    bool header;
};

struct stdout_sink {
    bool header;
    struct payload_id id; /* of the payload of which only a part is out */
    size_t done;          /* bytes of it that are; 0: there is none */
    struct sink_lane *lane;
};

static const struct setting settings[] = {
    SETTING_BOOL(stdout_conf, header, "false", "print key and size before each payload"),
    SETTING_END};

static enum status stdout_open(void **ret_self, const void *conf, struct sink_lane *lane,
                               struct err *err)
{
    (void)err;
    const struct stdout_conf *c = conf;
    struct stdout_sink *self = mem_alloc(sizeof *self);
    self->header = c->header;
    self->lane = lane;
    *ret_self = self;
    return OK;
}

/* As writev, but a reader that went is EPIPE and no signal, whatever the process does with
 * SIGPIPE. */
static ssize_t write_quietly(const struct iovec *v, int n)
{
    sigset_t pipe, old, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe, &old);
    ssize_t wrote = writev(STDOUT_FILENO, v, n);
    int why = errno;
    if (wrote < 0 && why == EPIPE && !sigismember(&pending, SIGPIPE))
        while (sigtimedwait(&pipe, NULL, &(struct timespec){0}) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = why;
    return wrote;
}

/* A write of more than PIPE_BUF may block on a pipe that poll calls writable. */
static size_t step_max(void)
{
    struct stat st;
    return fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) ? SSIZE_MAX : PIPE_BUF;
}

static enum status wait_writable(int64_t deadline_ns, struct err *err)
{
    int64_t left_ns = deadline_ns - clock_mono_ns();
    int64_t left_ms = left_ns <= 0 ? 0 : left_ns / MS_NS + 1;
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
    int n = poll(&p, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
    if (n > 0 || (n < 0 && errno == EINTR))
        return OK;
    if (n == 0)
        return err_set(err, ERR_TIMEOUT, "standard output: nobody reads");
    return err_set(err, ERR_IO, "standard output: %s", strerror(errno));
}

/* Writes what of pieces lies behind the first *done bytes, and moves *done on. */
static enum status write_rest(const struct span *pieces, int n, size_t *done, int64_t deadline_ns,
                              struct err *err)
{
    for (size_t most = step_max();;) {
        struct iovec v[3];
        int used = 0;
        size_t skip = *done, room = most;
        for (int i = 0; i < n && room > 0; i++) {
            size_t from = skip < pieces[i].len ? skip : pieces[i].len;
            size_t len = pieces[i].len - from < room ? pieces[i].len - from : room;
            skip -= from;
            room -= len;
            if (len > 0)
                v[used++] = (struct iovec){(void *)(pieces[i].data + from), len};
        }
        if (used == 0)
            return OK;
        enum status s = wait_writable(deadline_ns, err);
        if (s != OK)
            return s;
        ssize_t wrote = write_quietly(v, used);
        if (wrote >= 0)
            *done += (size_t)wrote;
        else if (errno != EINTR && errno != EAGAIN)
            return err_set(err, ERR_IO, "standard output: %s", strerror(errno));
    }
}

/* A payload whose first part is out goes on behind it when it comes again; when another one
 * comes instead, the torn one is closed by a line break, to be written anew later. */
static enum status stdout_send(void *self, struct payload *p, int64_t deadline_ns, struct err *err)
{
    struct stdout_sink *c = self;
    bool again = c->done > 0 && c->id.high == p->id.high && c->id.low == p->id.low;
    AUTO(buf) struct buf head = BUF_INIT(PAYLOAD_TEXT_MAX + 64);
    enum status s = OK;
    if (c->header)
        s = buf_printf(&head, "# %s %zu bytes\n", p->key.data, p->body.len);
    if (s == OK && c->done > 0 && !again) {
        struct span cut = {"\n", 1};
        size_t none = 0;
        s = write_rest(&cut, 1, &none, deadline_ns, err);
        c->done = s == OK ? 0 : c->done;
    }
    if (s != OK)
        return s;
    c->id = p->id;
    const char *tail = payload_tail(p);
    const struct span pieces[] = {
        {head.data, head.len}, {p->body.data, p->body.len}, {tail, strlen(tail)}};
    s = write_rest(pieces, ARRAY_LEN(pieces), &c->done, deadline_ns, err);
    c->lane->connected = s == OK;
    if (s != OK)
        return s;
    c->done = 0;
    payload_end(p, OK);
    return OK;
}

const struct sink_ops sink_stdout = {
    .name = "stdout",
    .help = "writes to standard output",
    .settings = settings,
    .conf_size = sizeof(struct stdout_conf),
    .max_payload = 1 << 20,
    .open = stdout_open,
    .send = stdout_send,
    .close = mem_free,
};
