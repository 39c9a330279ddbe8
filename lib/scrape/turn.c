/* SPDX-License-Identifier: Apache-2.0 */
#include "turn.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct turn *standing; /* under the lock; one for each worker at most */
static _Atomic size_t len;    /* 0, as a rule: then nobody takes the lock */

void turn_stand(struct turn *t, int64_t since_ns, size_t bytes)
{
    pthread_mutex_lock(&lock);
    t->since_ns = since_ns;
    t->bytes = bytes;
    if (!t->stands) {
        t->stands = true;
        t->next = standing;
        t->link = &standing;
        if (t->next)
            t->next->link = &t->next;
        standing = t;
        len++;
    }
    pthread_mutex_unlock(&lock);
}

void turn_leave(struct turn *t)
{
    if (!t->stands)
        return;
    pthread_mutex_lock(&lock);
    *t->link = t->next;
    if (t->next)
        t->next->link = t->link;
    t->stands = false;
    len--;
    pthread_mutex_unlock(&lock);
}

static const struct turn *eldest(void)
{
    const struct turn *first = standing;
    for (const struct turn *t = standing; t; t = t->next)
        if (t->since_ns < first->since_ns)
            first = t;
    return first;
}

bool turn_allows(int64_t since_ns, size_t bytes, bool *ret_first)
{
    *ret_first = true;
    if (len == 0)
        return true;
    pthread_mutex_lock(&lock);
    const struct turn *t = eldest();
    *ret_first = !t || since_ns <= t->since_ns;
    bool allowed = *ret_first || bytes < t->bytes / 2;
    pthread_mutex_unlock(&lock);
    return allowed;
}

void turn_call(const struct turn *t)
{
    if (len == 0)
        return;
    pthread_mutex_lock(&lock);
    const struct turn *first = eldest();
    if (first && first != t)
        curl_loop_wake(first->loop);
    pthread_mutex_unlock(&lock);
}
