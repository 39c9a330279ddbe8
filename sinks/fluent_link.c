/* SPDX-License-Identifier: Apache-2.0 */
/* fluent_link.c - connecting, login, sending; the contract is in fluent_link.h. */
#include "fluent_link.h"

#include "clock.h"
#include "fluent_ack.h"
#include "fluent_flights.h"
#include "fluent_hello.h"
#include "fluent_stream.h"
#include "lookup.h"
#include "mem.h"
#include "secret.h"

#include <assert.h>
#include <poll.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PING_MAX       (4 * FLUENT_ANSWER_MAX)
#define ANSWERS_MAX    (2 * FLUENT_ANSWER_MAX)
#define SETTINGS_BYTES 4096 /* of texts: of servers, files, secrets */
#define READ_ROUNDS    64   /* before something else has its turn */
#define HOST_MAX       256
#define FIRST_NS       (100 * MS_NS) /* that a send waits for a connection: its lane has more to do */

enum phase {
    PHASE_DOWN,
    PHASE_RESOLVE, /* asks for addresses */
    PHASE_OPEN,    /* connects, with TLS */
    PHASE_HELO,    /* waits for the server's */
    PHASE_PONG,    /* writes the PING, waits for the server's PONG */
    PHASE_UP,
};

struct fluent_link {
    struct fluent_conf conf;
    struct sink_lane *lane;
    struct secret shared_key, password;
    char host[HOST_MAX]; /* of this machine */
    struct fluent_server *servers;
    size_t server; /* that is used, or tried next */
    enum phase phase;
    int64_t phase_until_ns;
    struct lookup *lookup;
    struct lookup_addresses addresses;
    size_t address; /* the one that is tried */
    struct fluent_stream stream;
    struct fluent_hello hello;
    struct buf in, out; /* out: the PING */
    struct fluent_flights flights;
    int64_t back_ns;     /* when to go back to the first server */
    int64_t progress_ns; /* when a write last moved, or began */
    int64_t heard_ns;    /* when the server last acknowledged anything */
    struct err why;      /* of the last failure to connect */
    struct err last_end;
};

struct fluent_link *fluent_link_new(const struct fluent_conf *conf, struct sink_lane *lane)
{
    struct fluent_link *l = mem_alloc(sizeof *l);
    setting_copy(fluent_settings, &l->conf, conf);
    l->lane = lane;
    lane->window = (size_t)conf->in_flight;
    secret_init(&l->shared_key, l->conf.shared_key);
    secret_init(&l->password, l->conf.password);
    if (gethostname(l->host, sizeof l->host - 1) != 0 || l->host[0] == '\0')
        memcpy(l->host, "strata", sizeof "strata");
    l->servers = mem_alloc(conf->servers.len * sizeof *l->servers);
    for (size_t i = 0; i < conf->servers.len; i++)
        if (fluent_conf_server(conf->servers.items[i], &l->servers[i], NULL) != OK)
            abort(); /* cannot be: it has been checked */
    l->stream = (struct fluent_stream)FLUENT_STREAM_NONE;
    l->in = (struct buf)BUF_INIT(ANSWERS_MAX);
    l->out = (struct buf)BUF_INIT(PING_MAX);
    fluent_flights_init(&l->flights, (size_t)conf->in_flight);
    return l;
}

size_t fluent_link_bytes(const struct fluent_conf *conf)
{
    return sizeof(struct fluent_link) + conf->servers.len * sizeof(struct fluent_server) +
           fluent_flights_bytes((size_t)conf->in_flight) + ANSWERS_MAX + PING_MAX + LOOKUP_BYTES +
           SETTINGS_BYTES;
}

/* Whatever the connection is made of. */
static void clear(struct fluent_link *l)
{
    lookup_free(l->lookup);
    l->lookup = NULL;
    l->addresses.len = l->address = 0;
    fluent_stream_close(&l->stream);
    buf_truncate(&l->in, 0);
    buf_truncate(&l->out, 0);
    l->phase = PHASE_DOWN;
    l->lane->connected = false;
}

/* The link is down, and the next server has its turn. */
static void fail(struct fluent_link *l, const struct err *why)
{
    const struct fluent_server *s = &l->servers[l->server];
    enum status how = why->status == ERR_DENIED ? ERR_DENIED : ERR_IO;
    err_set(&l->why, how, "%.80s%s%.6s: %.140s", s->host, s->port[0] ? ":" : "", s->port,
            why->text);
    l->last_end = l->why;
    clear(l);
    l->server = (l->server + 1) % l->conf.servers.len;
    fluent_flights_end_all(&l->flights, how, ERR_AGAIN);
}

void fluent_link_free(struct fluent_link *l)
{
    if (!l)
        return;
    clear(l);
    fluent_flights_end_all(&l->flights, ERR_CLOSED, ERR_CLOSED);
    fluent_flights_done(&l->flights);
    buf_done(&l->in);
    buf_done(&l->out);
    secret_done(&l->shared_key);
    secret_done(&l->password);
    mem_free(l->servers);
    setting_done(fluent_settings, &l->conf);
    mem_free(l);
}

static struct fluent_address address_of(const struct fluent_link *l)
{
    const struct fluent_server *s = &l->servers[l->server];
    struct fluent_address a = {.family = AF_UNIX, .len = sizeof(struct sockaddr_un)};
    if (s->scheme == FLUENT_UNIX) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        memcpy(un.sun_path, s->host, strlen(s->host) + 1);
        memcpy(&a.addr, &un, sizeof un);
    } else {
        a.family = l->addresses.at[l->address].ss_family;
        a.len = l->addresses.size[l->address];
        a.addr = l->addresses.at[l->address];
    }
    return a;
}

/* Opens the address that has its turn, or the next one. */
static enum status open_address(struct fluent_link *l, struct err *err)
{
    const struct fluent_server *s = &l->servers[l->server];
    const struct tls_conf *tls = s->scheme == FLUENT_TLS ? &l->conf.tls : NULL;
    enum status r;
    for (;;) {
        struct fluent_address a = address_of(l);
        l->phase = PHASE_OPEN;
        l->phase_until_ns = clock_mono_ns() + l->conf.connect_timeout;
        r = fluent_stream_open(&l->stream, &a, tls, s->host, err);
        if (r == OK || l->address + 1 >= l->addresses.len)
            return r;
        l->address++;
    }
}

static enum status start(struct fluent_link *l, struct err *err)
{
    const struct fluent_server *s = &l->servers[l->server];
    clear(l);
    if (s->scheme == FLUENT_UNIX || lookup_literal(s->host, s->port, &l->addresses) == OK)
        return open_address(l, err);
    l->phase = PHASE_RESOLVE;
    l->phase_until_ns = clock_mono_ns() + l->conf.connect_timeout;
    return lookup_start(&l->lookup, s->host, s->port, err);
}

static void set_up(struct fluent_link *l)
{
    int64_t now_ns = clock_mono_ns();
    l->phase = PHASE_UP;
    l->back_ns = now_ns + l->conf.back_after;
    l->heard_ns = now_ns;
    l->lane->connected = true;
    l->lane->connects++;
}

static enum status step_resolve(struct fluent_link *l, struct err *err)
{
    enum status s = lookup_take(l->lookup, &l->addresses, err);
    return s == OK ? open_address(l, err) : s;
}

static enum status step_open(struct fluent_link *l, struct err *err)
{
    enum status s = fluent_stream_step(&l->stream, err);
    if (s == OK && l->conf.shared_key[0])
        l->phase = PHASE_HELO;
    else if (s == OK)
        set_up(l);
    if (s != ERR_IO || !l->stream.connecting || l->address + 1 >= l->addresses.len)
        return s;
    fluent_stream_close(&l->stream);
    l->address++;
    return open_address(l, err);
}

/* Takes what has come, as far as there is room.  Whole answers are taken out before the next
 * call, so there is. */
static enum status fill(struct fluent_link *l, struct err *err)
{
    size_t room = l->in.max - l->in.len, n;
    char *p = buf_room(&l->in, room);
    assert(p && room > 0);
    enum status s = fluent_stream_read(&l->stream, p, room, &n, err);
    if (s == OK)
        buf_used(&l->in, n);
    return s;
}

static struct span received(const struct fluent_link *l)
{
    return (struct span){l->in.data, l->in.len};
}

static void taken(struct fluent_link *l, struct span left)
{
    memmove(l->in.data, left.data, left.len);
    buf_truncate(&l->in, left.len);
}

static enum status too_long(const struct fluent_link *l, enum status s, struct err *err)
{
    if (s == ERR_AGAIN && l->in.len > FLUENT_ANSWER_MAX)
        return err_set(err, ERR_INVALID, "an answer of more than %d bytes", FLUENT_ANSWER_MAX);
    return s;
}

static enum status write_ping(struct fluent_link *l, struct err *err)
{
    const char *key, *password;
    enum status s = secret_get(&l->shared_key, &key, err);
    if (s == OK)
        s = secret_get(&l->password, &password, err);
    if (s != OK)
        return s;
    return fluent_hello_ping(
        &l->hello, &(struct fluent_login){l->host, key, l->conf.user, password ? password : ""},
        &l->out, err);
}

static enum status step_helo(struct fluent_link *l, struct err *err)
{
    enum status s = fill(l, err);
    if (s != OK)
        return s;
    struct span left = received(l);
    s = fluent_hello_read(&left, &l->hello, err);
    if (s == OK)
        s = write_ping(l, err);
    if (s == OK) {
        taken(l, left);
        l->phase = PHASE_PONG;
    }
    return too_long(l, s, err);
}

static enum status step_pong(struct fluent_link *l, struct err *err)
{
    enum status s = OK;
    size_t n;
    const char *key;
    while (l->out.len > 0 && s == OK) {
        s = fluent_stream_write(&l->stream, l->out.data, l->out.len, &n, err);
        if (s == OK) {
            memmove(l->out.data, l->out.data + n, l->out.len - n);
            buf_truncate(&l->out, l->out.len - n);
        }
    }
    if (s == OK)
        s = fill(l, err);
    if (s == OK)
        s = secret_get(&l->shared_key, &key, err);
    if (s != OK)
        return s;
    struct span left = received(l);
    s = fluent_hello_read_pong(&left, &l->hello, key, err);
    if (s == OK) {
        taken(l, left);
        set_up(l);
    }
    return too_long(l, s, err);
}

static enum status read_acks(struct fluent_link *l, struct err *err)
{
    enum status s = OK;
    for (int i = 0; i < READ_ROUNDS && s == OK; i++) {
        s = fill(l, err);
        if (s != OK)
            break;
        struct span left = received(l);
        bool known;
        struct payload_id id;
        while ((s = fluent_ack_read(&left, &known, &id, err)) == OK) {
            if (known)
                fluent_flights_acknowledge(&l->flights, id);
            l->heard_ns = clock_mono_ns();
        }
        taken(l, left);
        s = s == ERR_AGAIN ? OK : s;
    }
    return s;
}

static enum status write_all(struct fluent_link *l, struct err *err)
{
    enum status s = OK;
    struct span next;
    size_t n;
    while (s == OK && (next = fluent_flights_next(&l->flights)).len > 0) {
        s = fluent_stream_write(&l->stream, next.data, next.len, &n, err);
        if (s == OK) {
            l->progress_ns = clock_mono_ns();
            fluent_flights_wrote(&l->flights, n, l->conf.require_ack);
        }
    }
    return s;
}

static int64_t write_bound_ns(const struct fluent_link *l)
{
    return l->conf.timeout < SINK_WRITE_NS ? l->conf.timeout : SINK_WRITE_NS;
}

/* When a server that has acknowledged nothing since is given up. */
static int64_t silent_ns(const struct fluent_link *l)
{
    int64_t since_ns = l->flights.at[0].written_ns;
    return (l->heard_ns > since_ns ? l->heard_ns : since_ns) + l->conf.timeout;
}

/* One that is not acknowledged in time while some behind it are is sent again.  The others wait for
 * their turn: sent again they would make a slow connection slower. */
static enum status check_overdue(struct fluent_link *l, struct err *err)
{
    const struct fluent_flights *f = &l->flights;
    int64_t now_ns = clock_mono_ns(), late_ns = now_ns - l->conf.timeout;
    if (f->written < f->len && now_ns - l->progress_ns > write_bound_ns(l))
        return err_set(err, ERR_IO, "a write has not moved for %lld ms",
                       (long long)(write_bound_ns(l) / MS_NS));
    if (f->written == 0 || f->at[0].written_ns > late_ns)
        return OK;
    bool silent = now_ns >= silent_ns(l);
    err_set(&l->last_end, ERR_TIMEOUT, "no acknowledgement in time");
    (void)fluent_flights_end_until(&l->flights,
                                   silent || f->passed_ns > late_ns ? late_ns : f->passed_ns);
    return silent ? err_set(err, ERR_IO, "the server acknowledges nothing") : OK;
}

static enum status step_up(struct fluent_link *l, struct err *err)
{
    enum status s = read_acks(l, err);
    if (s == OK || s == ERR_AGAIN)
        s = write_all(l, err);
    return s == OK || s == ERR_AGAIN ? check_overdue(l, err) : s;
}

static enum status step_phase(struct fluent_link *l, struct err *err)
{
    switch (l->phase) {
    case PHASE_DOWN: return ERR_AGAIN;
    case PHASE_RESOLVE: return step_resolve(l, err);
    case PHASE_OPEN: return step_open(l, err);
    case PHASE_HELO: return step_helo(l, err);
    case PHASE_PONG: return step_pong(l, err);
    case PHASE_UP: return step_up(l, err);
    }
    abort(); /* no phase at all */
}

/* Does all that can be done without waiting. */
static void step(struct fluent_link *l)
{
    static const char *const waits_for[] = {
        [PHASE_RESOLVE] = "its address",
        [PHASE_OPEN] = "a connection",
        [PHASE_HELO] = "its HELO, as if it had no shared key",
        [PHASE_PONG] = "its PONG",
        [PHASE_UP] = "",
    };
    struct err err = {.status = OK};
    enum phase before;
    enum status s;
    do {
        before = l->phase;
        s = step_phase(l, &err);
    } while (s == OK && l->phase != before);
    if (s == ERR_AGAIN && l->phase != PHASE_DOWN && l->phase != PHASE_UP &&
        clock_mono_ns() >= l->phase_until_ns)
        s = err_set(&err, ERR_TIMEOUT, "waited in vain for %s", waits_for[l->phase]);
    if (s != OK && s != ERR_AGAIN)
        fail(l, &err);
}

/* When step has something to do, whatever the sockets say. */
static int64_t next_ns(const struct fluent_link *l)
{
    const struct fluent_flights *f = &l->flights;
    if (l->phase == PHASE_DOWN)
        return DEADLINE_NEVER;
    if (l->phase != PHASE_UP)
        return l->phase_until_ns;
    int64_t at = DEADLINE_NEVER;
    if (f->written > 0)
        at = f->at[0].written_ns + l->conf.timeout;
    if (at <= clock_mono_ns())
        at = silent_ns(l);
    if (f->written < f->len)
        at = clock_earlier(at, l->progress_ns + write_bound_ns(l) + 1);
    return at;
}

static struct pollfd poll_of(const struct fluent_link *l)
{
    if (l->phase == PHASE_DOWN)
        return (struct pollfd){.fd = -1};
    if (l->phase == PHASE_RESOLVE)
        return (struct pollfd){.fd = lookup_fd(l->lookup), .events = POLLIN};
    bool writes = l->out.len > 0 || (l->phase == PHASE_UP && l->flights.written < l->flights.len);
    return (struct pollfd){.fd = l->stream.fd, .events = fluent_stream_events(&l->stream, writes)};
}

/* Waits for the link, the descriptor (-1: none) or the time; true when the descriptor is
 * readable. */
static bool wait(const struct fluent_link *l, int wake_fd, int64_t deadline_ns)
{
    struct pollfd p[2] = {{.fd = wake_fd, .events = POLLIN}, poll_of(l)};
    int64_t left = clock_earlier(deadline_ns, next_ns(l)) - clock_mono_ns();
    left = left > 0 && !fluent_stream_pending(&l->stream) ? left : 0;
    struct timespec t = {(time_t)(left / SEC_NS), (long)(left % SEC_NS)};
    return ppoll(p, ARRAY_LEN(p), &t, NULL) > 0 && p[0].revents != 0;
}

static enum status say(const struct err *why, struct err *err)
{
    return err_set(err, why->status, "%s", why->text);
}

/* Tries each server once; an attempt that takes longer than a send may wait goes on in the next one. */
static enum status ensure_up(struct fluent_link *l, int64_t deadline_ns, struct err *err)
{
    size_t tried = 0;
    int64_t first_ns = clock_mono_ns() + FIRST_NS;
    deadline_ns = clock_earlier(first_ns, deadline_ns);
    for (;;) {
        struct err why;
        step(l);
        if (l->phase == PHASE_UP)
            return OK;
        if (l->phase == PHASE_DOWN && tried == l->conf.servers.len)
            return say(&l->why, err);
        if (l->phase == PHASE_DOWN) {
            tried++;
            if (start(l, &why) != OK)
                fail(l, &why);
            continue;
        }
        tried = tried > 0 ? tried : 1; /* one that an earlier call began */
        if (clock_mono_ns() >= deadline_ns)
            return err_set(err, ERR_TIMEOUT, "no connection yet");
        (void)wait(l, -1, deadline_ns);
    }
}

enum status fluent_link_send(struct fluent_link *l, struct payload *p, int64_t deadline_ns,
                             struct err *err)
{
    struct fluent_flights *f = &l->flights;
    step(l);
    if (l->phase == PHASE_UP && l->server != 0 && clock_mono_ns() >= l->back_ns) {
        if (f->len > 0)
            return err_set(err, ERR_AGAIN, "on the way back to the first server");
        clear(l);
        l->server = 0;
    }
    if (f->len == f->cap)
        return err_set(err, ERR_AGAIN, "%zu messages wait for their acknowledgement", f->len);
    enum status s = ensure_up(l, deadline_ns, err);
    if (s != OK)
        return s;
    if (f->written == f->len)
        l->progress_ns = clock_mono_ns();
    fluent_flights_put(f, p);
    step(l);
    return OK;
}

enum status fluent_link_work(struct fluent_link *l, int wake_fd, int64_t deadline_ns)
{
    for (;;) {
        step(l);
        if (wait(l, wake_fd, deadline_ns))
            return OK;
        if (clock_mono_ns() >= deadline_ns)
            return ERR_TIMEOUT;
    }
}

enum status fluent_link_flush(struct fluent_link *l, int64_t deadline_ns, struct err *err)
{
    for (;;) {
        step(l);
        if (l->flights.len == 0)
            return OK;
        if (clock_mono_ns() >= deadline_ns)
            return err_set(err, ERR_TIMEOUT, "%zu messages are not acknowledged", l->flights.len);
        (void)wait(l, -1, deadline_ns);
    }
}

void fluent_link_explain(struct fluent_link *l, struct err *err)
{
    if (l->last_end.status != OK)
        *err = l->last_end;
}
