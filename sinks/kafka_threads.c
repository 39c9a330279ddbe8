/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_threads.c - C11's threads as POSIX ones, for ThreadSanitizer.
 *
 * librdkafka uses the threads.h of glibc, which ThreadSanitizer of gcc 12 doesn't know: it dies
 * in the first thread that it has not seen begin.  Both are the same in glibc, so under that
 * sanitizer, and there alone, the program has the functions of C11 itself, as calls of those
 * that it does know. */
#ifdef __SANITIZE_THREAD__
#include "kafka_state.h"

#include <errno.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t), "mtx_t holds a mutex");
_Static_assert(sizeof(cnd_t) >= sizeof(pthread_cond_t), "cnd_t holds a condition");

#pragma GCC visibility push(default)

struct start {
    thrd_start_t run;
    void *arg;
};

static int result(int e)
{
    return e == 0           ? thrd_success
           : e == EBUSY     ? thrd_busy
           : e == ETIMEDOUT ? thrd_timedout
                            : thrd_error;
}

static void *run(void *arg)
{
    struct start s = *(struct start *)arg;
    free(arg);
    return (void *)(intptr_t)s.run(s.arg);
}

int thrd_create(thrd_t *t, thrd_start_t f, void *arg)
{
    struct start *s = malloc(sizeof *s);
    if (!s)
        return thrd_nomem;
    *s = (struct start){f, arg};
    int e = pthread_create(t, NULL, run, s);
    if (e != 0)
        free(s);
    return result(e);
}

int thrd_join(thrd_t t, int *ret)
{
    void *value = NULL;
    int e = pthread_join(t, &value);
    if (ret)
        *ret = (int)(intptr_t)value;
    return result(e);
}

int thrd_detach(thrd_t t)
{
    return result(pthread_detach(t));
}

/* How the library hands a lock that it has made to other threads the sanitizer cannot see: making
 * and ending one is nothing that it is to watch. */
__attribute__((no_sanitize("thread"))) int mtx_init(mtx_t *m, int type)
{
    *(pthread_mutex_t *)m = type & mtx_recursive
                                ? (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP
                                : (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    return thrd_success;
}

int mtx_lock(mtx_t *m)
{
    return result(pthread_mutex_lock((pthread_mutex_t *)m));
}

int mtx_trylock(mtx_t *m)
{
    return result(pthread_mutex_trylock((pthread_mutex_t *)m));
}

int mtx_unlock(mtx_t *m)
{
    return result(pthread_mutex_unlock((pthread_mutex_t *)m));
}

void mtx_destroy(mtx_t *m)
{
    (void)m;
}

__attribute__((no_sanitize("thread"))) int cnd_init(cnd_t *c)
{
    *(pthread_cond_t *)c = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    return thrd_success;
}

int cnd_signal(cnd_t *c)
{
    return result(pthread_cond_signal((pthread_cond_t *)c));
}

int cnd_broadcast(cnd_t *c)
{
    return result(pthread_cond_broadcast((pthread_cond_t *)c));
}

int cnd_wait(cnd_t *c, mtx_t *m)
{
    return result(pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m));
}

int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict until)
{
    return result(pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, until));
}

void cnd_destroy(cnd_t *c)
{
    (void)c;
}

#pragma GCC visibility pop

/* Draws this file in. */
void kafka_threads_use(void)
{
}
#endif
