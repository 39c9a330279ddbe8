/* SPDX-License-Identifier: Apache-2.0 */
#include "asked.h"

#include "clock.h"
#include "mem.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>

/* The list. */

struct discover_candidates *candidates_new(void)
{
    struct discover_candidates *c = mem_alloc(sizeof *c);
    c->refs = 1;
    return c;
}

static size_t size_of(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

static const char *copy_piece(char **at, const char *s)
{
    size_t n = size_of(s);
    char *to = *at;
    if (!s)
        return NULL;
    memcpy(to, s, n);
    *at += n;
    return to;
}

void candidates_add(struct discover_candidates *c, uint32_t source, const char *source_name,
                    const struct source_candidate *one)
{
    size_t n = size_of(source_name) + size_of(one->id) + size_of(one->url) + size_of(one->why);
    if (c->bytes + n + sizeof *c->all > DISCOVER_CANDIDATES_BYTES) {
        c->left_out++;
        return;
    }
    c->bytes += n + sizeof *c->all;
    if (c->len == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 64;
        c->all = mem_realloc(c->all, c->cap * sizeof *c->all);
    }
    char *text = mem_alloc(n), *at = text;
    struct discover_candidate *to = &c->all[c->len++];
    to->text = text;
    to->source = source;
    to->source_name = copy_piece(&at, source_name);
    to->id = copy_piece(&at, one->id);
    to->url = copy_piece(&at, one->url);
    to->why = copy_piece(&at, one->why);
}

void discover_candidates_unref(struct discover_candidates *c)
{
    if (!c || --c->refs > 0)
        return;
    for (size_t i = 0; i < c->len; i++)
        mem_free(c->all[i].text);
    mem_free(c->all);
    mem_free(c);
}

/* Who asks. */

void asked_init(struct asked *a)
{
    pthread_condattr_t monotonic;
    *a = (struct asked){.asks = 0};
    pthread_mutex_init(&a->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&a->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void asked_done(struct asked *a)
{
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->changed);
}

/* With the lock held. */
static void leave(struct asked *a)
{
    if (--a->waiting > 0)
        return;
    discover_candidates_unref(a->list);
    a->list = NULL;
    pthread_cond_broadcast(&a->changed); /* asked_close waits for it */
}

enum status asked_wait(struct asked *a, int wake_fd, int64_t deadline_ns,
                       struct discover_candidates **ret, struct err *err)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / SEC_NS),
                             .tv_nsec = (long)(deadline_ns % SEC_NS)};
    enum status s = OK;
    pthread_mutex_lock(&a->lock);
    uint64_t own = ++a->asks;
    a->waiting++;
    eventfd_write(wake_fd, 1);
    while (s == OK && !a->closed && a->answered < own)
        if (pthread_cond_timedwait(&a->changed, &a->lock, &until) == ETIMEDOUT)
            s = ERR_TIMEOUT;
    if (a->answered >= own) {
        s = OK;
        a->list->refs++;
        *ret = a->list;
    } else if (a->closed) {
        s = err_set(err, ERR_CLOSED, "discovery has stopped");
    } else {
        err_set(err, s, "discovery has not answered in time");
    }
    leave(a);
    pthread_mutex_unlock(&a->lock);
    return s;
}

bool asked_pending(struct asked *a, uint64_t *ret_ask)
{
    pthread_mutex_lock(&a->lock);
    bool pending = a->waiting > 0 && a->asks > a->answered;
    *ret_ask = a->asks;
    pthread_mutex_unlock(&a->lock);
    return pending;
}

void asked_answer(struct asked *a, uint64_t ask, struct discover_candidates *list)
{
    pthread_mutex_lock(&a->lock);
    struct discover_candidates *old = list;
    if (a->waiting > 0) {
        old = a->list;
        a->list = list;
    }
    a->answered = ask;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    discover_candidates_unref(old);
}

void asked_close(struct asked *a)
{
    pthread_mutex_lock(&a->lock);
    a->closed = true;
    pthread_cond_broadcast(&a->changed);
    while (a->waiting > 0)
        pthread_cond_wait(&a->changed, &a->lock);
    pthread_mutex_unlock(&a->lock);
}
