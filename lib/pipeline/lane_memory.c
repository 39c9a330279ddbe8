/* SPDX-License-Identifier: Apache-2.0 */
/* lane_memory.c - what a lane gives up when the process has no room (budget.h). */
#include "budget.h"
#include "lane_private.h"

#include <stdatomic.h>

#define PRESS_NS (20 * MS_NS) /* between two calls of all lanes */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards first and the links */
static struct lane *first;
static _Atomic size_t lanes, total; /* bytes that waited in all of them a moment ago */
static _Atomic size_t before;
static _Atomic int64_t pressed_ns = INT64_MIN / 2;

void lane_memory_join(struct lane *l)
{
    pthread_mutex_lock(&lock);
    l->next = first;
    first = l;
    lanes++;
    pthread_mutex_unlock(&lock);
}

void lane_memory_leave(struct lane *l)
{
    pthread_mutex_lock(&lock);
    struct lane **at = &first;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    lanes--;
    pthread_mutex_unlock(&lock);
}

/* As payload_cost; of it half at least, and at most twice as much, is memory. */
static size_t waiting_bytes(const struct lane *l)
{
    return channel_stats(l->input).bytes + l->held_bytes;
}

/* Looks at all lanes, and makes them look. */
static void press(void)
{
    int64_t now = clock_mono_ns(), last = pressed_ns;
    size_t sum = 0;
    bool soon =
        now - last < PRESS_NS && last - now < PRESS_NS; /* a clock that was held goes back */
    if (soon || !atomic_compare_exchange_strong(&pressed_ns, &last, now))
        return;
    pthread_mutex_lock(&lock);
    for (struct lane *l = first; l; l = l->next) {
        sum += waiting_bytes(l);
        lane_wake(l);
    }
    pthread_mutex_unlock(&lock);
    /* What a lane moves just now from its channel into its window may be in neither. */
    total = sum > before ? sum : before;
    before = sum;
}

/* The lane that has little, less than half of the average, is not the one whose sink is dead: it is
 * spared as long as others can give. */
static bool has_its_share(const struct lane *l)
{
    return 2 * waiting_bytes(l) * lanes >= total;
}

/* Whether l is asked to give up something.  *ret_old: only what is old. */
static bool is_asked(const struct lane *l, bool *ret_old)
{
    if (budget_to_give_up(ret_old) == 0)
        return false;
    return has_its_share(l) || !budget_has_room(BUDGET_LAST, 0);
}

/* With a spool it is the thread's to do so without a loss, until there is no more time. */
static bool may_lose(const struct lane *l)
{
    bool disk = l->spool && (l->disk_works || l->hold); /* held: the lane before still has it */
    return !disk || !budget_has_room(BUDGET_LAST, 0);
}

void lane_memory_give(struct lane *l)
{
    bool old;
    void *oldest;
    if (budget_to_give_up(&old) == 0)
        return;
    press();
    while (is_asked(l, &old) && may_lose(l) && (!old || channel_age_ns(l->input) > BUDGET_OLD_NS) &&
           channel_recv(l->input, &oldest, NULL, DEADLINE_NOW) == OK)
        lane_give_up(l, oldest, LOST_MEMORY);
    if (is_asked(l, &old) && !old)
        lane_wake(l); /* what is older is the thread's */
}

bool lane_memory_is_out(struct lane *l)
{
    return !budget_has_room(BUDGET_LAST, 0) && waiting_bytes(l) > l->max_message;
}

void lane_give_way(struct lane *l)
{
    lane_memory_give(l);
}

/* What the disk has as well stays there. */
static void lose(struct lane *l, struct payload *p)
{
    if (p->row != 0)
        lane_spool_keep(l, p);
    else
        lane_give_up(l, p, LOST_MEMORY);
}

static struct payload *take_oldest(struct lane *l, bool old)
{
    void *item;
    struct payload *p =
        window_take_oldest(&l->window, old ? clock_mono_ns() - BUDGET_OLD_NS : DEADLINE_NEVER);
    if (p)
        return p;
    if (old && channel_age_ns(l->input) <= BUDGET_OLD_NS)
        return NULL;
    return channel_recv(l->input, &item, NULL, DEADLINE_NOW) == OK ? item : NULL;
}

/* What all lanes had when it was last looked may have asked nothing of this one. */
int64_t lane_memory_wake_ns(const struct lane *l)
{
    bool old;
    bool again = budget_to_give_up(&old) > 0 && waiting_bytes(l) > 0;
    return again ? clock_mono_ns() + PRESS_NS : DEADLINE_NEVER;
}

void lane_memory_relieve(struct lane *l)
{
    bool old;
    struct payload *p;
    if (budget_to_give_up(&old) == 0)
        return;
    press();
    if (!is_asked(l, &old))
        return;
    payload_pool_empty(&l->pool);
    if (l->spool && l->hold && budget_has_room(BUDGET_LAST, 0))
        return;
    if (l->spool && lane_spool_relieve(l))
        return;
    while (is_asked(l, &old) && (p = take_oldest(l, old)) != NULL) {
        lose(l, p);
        lane_publish(l);
    }
}
