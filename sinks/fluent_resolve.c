/* SPDX-License-Identifier: Apache-2.0 */
/* fluent_resolve.c - getaddrinfo in a thread; the contract is in fluent_resolve.h. */
#include "fluent_resolve.h"

#include "mem.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct fluent_resolve {
    _Atomic unsigned refs; /* who asks, and the thread */
    _Atomic bool done;     /* list and code are there */
    char *host, *port;
    int fd;
    int code; /* of getaddrinfo */
    struct addrinfo *list;
};

static void unref(struct fluent_resolve *r)
{
    if (--r->refs > 0)
        return;
    if (r->list)
        freeaddrinfo(r->list);
    if (r->fd >= 0)
        close(r->fd);
    mem_free(r->host);
    mem_free(r->port);
    mem_free(r);
}

static void *run(void *arg)
{
    struct fluent_resolve *r = arg;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    r->code = getaddrinfo(r->host, r->port, &hints, &r->list);
    r->done = true;
    (void)eventfd_write(r->fd, 1);
    unref(r);
    return NULL;
}

enum status fluent_resolve_new(struct fluent_resolve **ret, const char *host, const char *port,
                               struct err *err)
{
    struct fluent_resolve *r = mem_alloc(sizeof *r);
    r->refs = 2;
    r->host = mem_strdup(host);
    r->port = mem_strdup(port);
    r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sigset_t all, old;
    pthread_attr_t detached;
    pthread_t thread;
    sigfillset(&all);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool ok = r->fd >= 0 && pthread_create(&thread, &detached, run, r) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&detached);
    if (!ok) {
        r->refs = 1;
        unref(r);
        return err_set(err, ERR_IO, "cannot look up %.150s: no descriptor or thread left", host);
    }
    *ret = r;
    return OK;
}

void fluent_resolve_free(struct fluent_resolve *r)
{
    if (r)
        unref(r);
}

int fluent_resolve_fd(const struct fluent_resolve *r)
{
    return r->fd;
}

enum status fluent_resolve_take(struct fluent_resolve *r, struct addrinfo **ret, struct err *err)
{
    if (!r->done)
        return ERR_AGAIN;
    if (r->code != 0)
        return err_set(err, ERR_IO, "cannot look up %.120s: %s", r->host, gai_strerror(r->code));
    *ret = r->list;
    r->list = NULL;
    return OK;
}
