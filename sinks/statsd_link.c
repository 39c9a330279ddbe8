/* SPDX-License-Identifier: Apache-2.0 */
/* statsd_link.c - connects, and writes; the contract is in statsd_link.h. */
#include "statsd_link.h"

#include "sockets.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

#define DATAGRAM_MIN 256 /* a refused size is not halved below it */

void statsd_link_init(struct statsd_link *k, const struct statsd_conf *c,
                      const struct statsd_peer *peer, struct sink_lane *lane)
{
    *k = (struct statsd_link){.peer = *peer,
                              .connect_timeout_ns = c->connect_timeout,
                              .lookup_interval_ns =
                                  peer->network == STATSD_UDP ? c->lookup_interval : 0,
                              .lane = lane,
                              .fd = -1};
    k->literal = peer->host[0] && lookup_literal(peer->host, peer->port, &k->found) == OK;
}

void statsd_link_drop(struct statsd_link *k)
{
    if (k->fd >= 0) {
        net_socket_closed(k->fd);
        close(k->fd);
    }
    k->fd = -1;
    k->lane->connected = false;
    if (!k->literal)
        k->found.len = 0;
}

void statsd_link_done(struct statsd_link *k)
{
    statsd_link_drop(k);
    lookup_free(k->lookup);
    k->lookup = NULL;
}

static enum status from_errno(int why)
{
    switch (why) {
    case EACCES:
    case EPERM:
    case EPROTOTYPE:
    case ENOTSOCK: return ERR_DENIED;
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
    case EMFILE:
    case ENFILE: return ERR_AGAIN;
    case ETIMEDOUT: return ERR_TIMEOUT;
    case EMSGSIZE: return ERR_LIMIT;
    default: return ERR_IO;
    }
}

/* Gives the connection up and says why; the next one goes to another address, if there is one. */
static enum status fail(struct statsd_link *k, const char *what, int why, struct err *err)
{
    const struct statsd_peer *p = &k->peer;
    statsd_link_drop(k);
    k->next++;
    return err_set(err, from_errno(why), "%s %.150s%s%s: cannot %s: %s",
                   statsd_network_name(p->network), p->host[0] ? p->host : p->path,
                   p->port[0] ? ":" : "", p->port, what, strerror(why));
}

/* poll for events until then; 0 when it is too late. */
static short wait_for(int fd, short events, int64_t deadline_ns)
{
    for (;;) {
        int64_t left_ns = deadline_ns - clock_mono_ns();
        int64_t left_ms = left_ns <= 0 ? 0 : left_ns / MS_NS + 1;
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
        if (n > 0)
            return p.revents;
        if (n == 0 || errno != EINTR)
            return 0;
    }
}

/* What the socket has to say of what it did before; 0: nothing. */
static int take_error(int fd)
{
    int why = 0;
    socklen_t size = sizeof why;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) == 0 ? why : errno;
}

static int type_of(enum statsd_network n)
{
    return (statsd_is_stream(n) ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
}

/* One attempt.  0, or why it failed. */
static int connect_one(struct statsd_link *k, const struct sockaddr *to, socklen_t size,
                       int64_t deadline_ns)
{
    int one = 1, fd = socket(to->sa_family, type_of(k->peer.network), 0);
    if (fd < 0)
        return errno;
    net_socket_opened(fd);
    k->fd = fd;
    if (k->peer.network == STATSD_TCP)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, to, size) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    if (wait_for(fd, POLLOUT, deadline_ns) == 0)
        return ETIMEDOUT;
    return take_error(fd);
}

static int connect_local(struct statsd_link *k, int64_t deadline_ns)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = strlen(k->peer.path);
    memcpy(to.sun_path, k->peer.path, len);
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0'; /* an abstract name, which has no NUL behind it */
    else
        len++;
    return connect_one(k, (const struct sockaddr *)&to,
                       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len), deadline_ns);
}

/* The result of the look-up under way; its end is the end of the look-up. */
static enum status take_lookup(struct statsd_link *k, struct lookup_addresses *ret, struct err *err)
{
    enum status s = lookup_take(k->lookup, ret, err);
    if (s == ERR_AGAIN)
        return s;
    lookup_free(k->lookup);
    k->lookup = NULL;
    k->found_ns = clock_mono_ns();
    return s;
}

static enum status find_host(struct statsd_link *k, int64_t deadline_ns, struct err *err)
{
    enum status s = OK;
    if (k->found.len > 0)
        return OK;
    if (!k->lookup)
        s = lookup_start(&k->lookup, k->peer.host, k->peer.port, err);
    if (s != OK)
        return s;
    (void)wait_for(lookup_fd(k->lookup), POLLIN, deadline_ns);
    s = take_lookup(k, &k->found, err);
    return s == ERR_AGAIN ? err_set(err, ERR_TIMEOUT, "%s is still being looked up", k->peer.host)
                          : s;
}

static bool is_among(const struct lookup_addresses *a, const struct sockaddr_storage *to,
                     socklen_t size)
{
    for (size_t i = 0; i < a->len; i++)
        if (a->size[i] == size && memcmp(&a->at[i], to, size) == 0)
            return true;
    return false;
}

/* Nothing says that the receiver behind a name has moved: a look-up beside the sending does. */
static void refresh(struct statsd_link *k)
{
    struct lookup_addresses found;
    struct sockaddr_storage to = {0};
    socklen_t size = sizeof to;
    if (k->literal || k->lookup_interval_ns == 0)
        return;
    if (!k->lookup) {
        if (clock_mono_ns() - k->found_ns >= k->lookup_interval_ns &&
            lookup_start(&k->lookup, k->peer.host, k->peer.port, NULL) != OK)
            k->found_ns = clock_mono_ns(); /* once more after as long a time */
        return;
    }
    if (take_lookup(k, &found, NULL) != OK)
        return;
    if (getpeername(k->fd, (struct sockaddr *)&to, &size) != 0 || !is_among(&found, &to, size))
        statsd_link_drop(k);
    k->found = found;
}

/* A peer that has closed is found out before it is written to; what it says is not wanted. */
static void look_at_stream(struct statsd_link *k)
{
    char unwanted[512];
    for (int i = 0; i < 64; i++) {
        ssize_t n = recv(k->fd, unwanted, sizeof unwanted, MSG_DONTWAIT);
        if (n > 0 || (n < 0 && errno == EINTR))
            continue;
        if (n == 0 || errno != EAGAIN)
            statsd_link_drop(k);
        return;
    }
}

static enum status open_link(struct statsd_link *k, int64_t deadline_ns, struct err *err)
{
    deadline_ns = clock_earlier(deadline_ns, clock_mono_ns() + k->connect_timeout_ns);
    int why;
    if (k->peer.host[0]) {
        enum status s = find_host(k, deadline_ns, err);
        if (s != OK)
            return s;
        size_t i = k->next % k->found.len;
        why =
            connect_one(k, (const struct sockaddr *)&k->found.at[i], k->found.size[i], deadline_ns);
    } else {
        why = connect_local(k, deadline_ns);
    }
    if (why != 0)
        return fail(k, "connect", why, err);
    k->lane->connected = true;
    k->lane->connects++;
    return OK;
}

enum status statsd_link_ready(struct statsd_link *k, int64_t deadline_ns, struct err *err)
{
    if (k->fd >= 0 && statsd_is_stream(k->peer.network))
        look_at_stream(k);
    else if (k->fd >= 0)
        refresh(k);
    return k->fd >= 0 ? OK : open_link(k, deadline_ns, err);
}

/* Whether the datagram just sent came back. */
static int find_refusal(struct statsd_link *k)
{
    int why = take_error(k->fd);
    if (why == 0 && k->suspect && wait_for(k->fd, 0, clock_mono_ns() + STATSD_REFUSAL_NS) != 0)
        why = take_error(k->fd);
    k->suspect = why != 0;
    return why;
}

static enum status fail_write(struct statsd_link *k, size_t len, int why, struct err *err)
{
    if (why == EMSGSIZE && len / 2 >= DATAGRAM_MIN && len / 2 < k->lane->max_payload)
        k->lane->max_payload = len / 2;
    k->suspect |= why == ECONNREFUSED;
    return fail(k, "send", why, err);
}

enum status statsd_link_write(struct statsd_link *k, struct span data, size_t *done,
                              struct err *err)
{
    while (*done < data.len) {
        ssize_t n = send(k->fd, data.data + *done, data.len - *done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return OK;
        if (n < 0)
            return fail_write(k, data.len, errno, err);
        *done += (size_t)n;
        int why = k->peer.network == STATSD_UDP ? find_refusal(k) : 0;
        if (why != 0) {
            *done = 0;
            return fail_write(k, data.len, why, err);
        }
    }
    return OK;
}
