/* SPDX-License-Identifier: Apache-2.0 */
/* statsd_lookup.c - names to addresses; the contract is in statsd_lookup.h. */
#include "statsd_lookup.h"

#include "mem.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)512 << 10) /* the resolver's libraries want some */

struct statsd_lookup {
    _Atomic unsigned users; /* the caller, and the thread while it runs */
    _Atomic bool done;      /* what follows is written before */
    int fd;
    char *host, *port;
    int code; /* of getaddrinfo */
    int why;  /* errno, with EAI_SYSTEM */
    struct statsd_addresses found;
};

/* Each address is there once: with a type of socket given, getaddrinfo repeats none. */
static int look_up(const char *host, const char *port, int flags, struct statsd_addresses *ret)
{
    struct addrinfo *list = NULL, hints = {.ai_family = AF_UNSPEC,
                                           .ai_socktype = SOCK_DGRAM,
                                           .ai_flags = AI_NUMERICSERV | flags};
    int code = getaddrinfo(host, port, &hints, &list);
    if (code != 0)
        return code;
    ret->len = 0;
    for (const struct addrinfo *a = list; a && ret->len < STATSD_ADDRESSES; a = a->ai_next) {
        if (a->ai_addrlen > sizeof ret->at[0])
            continue;
        memcpy(&ret->at[ret->len], a->ai_addr, a->ai_addrlen);
        ret->size[ret->len++] = a->ai_addrlen;
    }
    freeaddrinfo(list);
    return ret->len > 0 ? 0 : EAI_NONAME;
}

enum status statsd_lookup_literal(const char *host, const char *port, struct statsd_addresses *ret)
{
    struct statsd_addresses found = {.len = 0};
    if (look_up(host, port, AI_NUMERICHOST, &found) != 0)
        return ERR_INVALID;
    *ret = found;
    return OK;
}

static void leave(struct statsd_lookup *l)
{
    if (--l->users > 0)
        return;
    close(l->fd);
    mem_free(l->host);
    mem_free(l->port);
    mem_free(l);
}

static void *run(void *lookup)
{
    struct statsd_lookup *l = lookup;
    l->code = look_up(l->host, l->port, 0, &l->found);
    l->why = errno;
    l->done = true;
    (void)eventfd_write(l->fd, 1);
    leave(l);
    return NULL;
}

static int start_thread(struct statsd_lookup *l)
{
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int r = pthread_create(&thread, &attr, run, l);
    pthread_attr_destroy(&attr);
    return r;
}

enum status statsd_lookup_start(struct statsd_lookup **ret, const char *host, const char *port,
                                struct err *err)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_AGAIN, "no descriptor is left: %s", strerror(errno));
    struct statsd_lookup *l = mem_alloc(sizeof *l);
    l->users = 2;
    l->fd = fd;
    l->host = mem_strdup(host);
    l->port = mem_strdup(port);
    int r = start_thread(l);
    if (r != 0) {
        l->users = 1;
        leave(l);
        return err_set(err, ERR_AGAIN, "no thread to look up %s: %s", host, strerror(r));
    }
    *ret = l;
    return OK;
}

int statsd_lookup_fd(const struct statsd_lookup *l)
{
    return l->fd;
}

enum status statsd_lookup_take(const struct statsd_lookup *l, struct statsd_addresses *ret,
                               struct err *err)
{
    if (!l->done)
        return err_set(err, ERR_AGAIN, "%s is still being looked up", l->host);
    if (l->code != 0)
        return err_set(err, ERR_IO, "cannot find %s: %s", l->host,
                       l->code == EAI_SYSTEM ? strerror(l->why) : gai_strerror(l->code));
    *ret = l->found;
    return OK;
}

void statsd_lookup_free(struct statsd_lookup *l)
{
    if (l)
        leave(l);
}
