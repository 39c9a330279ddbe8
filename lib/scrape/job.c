/* SPDX-License-Identifier: Apache-2.0 */
#include "job.h"

#include "budget.h"
#include "hash.h"
#include "mem.h"

#include <assert.h>
#include <stddef.h>

/* Most targets are well, and words are most of what there is to show. */
static size_t shown_bytes(bool words)
{
    return words ? sizeof(struct target_shown) : offsetof(struct target_shown, failure);
}

struct target_state *target_state_new(const char *target_id)
{
    struct target_state *s = mem_alloc(sizeof *s);
    s->refs = 1;
    budget_add(BUDGET_CHANNELS, (ptrdiff_t)(sizeof *s + shown_bytes(false)));
    s->shard = hash_bytes(target_id, strlen(target_id));
    s->shown = mem_alloc(shown_bytes(false));
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

struct target_state *target_state_ref(struct target_state *s)
{
    s->refs++;
    return s;
}

void target_state_count(struct target_state *s, struct pool_books *books, size_t series,
                        size_t bytes)
{
    if (s->counted) {
        s->counted->series -= s->counted_series;
        s->counted->series_bytes -= s->counted_bytes;
    }
    s->counted = books;
    s->counted_series = series;
    s->counted_bytes = bytes;
    if (books) {
        books->series += series;
        books->series_bytes += bytes;
    }
}

void target_state_unref(struct target_state *s)
{
    if (!s || --s->refs > 0)
        return;
    target_state_count(s, NULL, 0, 0);
    page_free(s->page);
    pthread_mutex_destroy(&s->lock);
    mem_free(s->shown);
    budget_add(BUDGET_CHANNELS, -(ptrdiff_t)(sizeof *s + shown_bytes(s->has_words)));
    mem_free(s);
}

struct target_shown target_state_shown(struct target_state *s)
{
    struct target_shown shown = {.health = TARGET_UNKNOWN};
    pthread_mutex_lock(&s->lock);
    memcpy(&shown, s->shown, shown_bytes(s->has_words));
    pthread_mutex_unlock(&s->lock);
    return shown;
}

void target_state_show(struct target_state *s, const struct target_shown *shown)
{
    bool words = shown->last_error.status != OK || shown->first_bad.status != OK ||
                 shown->first_refused.status != OK || shown->first_flaw.status != OK ||
                 shown->named_len > 0;
    pthread_mutex_lock(&s->lock);
    if (words != s->has_words) {
        s->shown = mem_realloc(s->shown, shown_bytes(words));
        budget_add(BUDGET_CHANNELS, (ptrdiff_t)shown_bytes(words) - (ptrdiff_t)shown_bytes(!words));
    }
    s->has_words = words;
    memcpy(s->shown, shown, shown_bytes(words));
    pthread_mutex_unlock(&s->lock);
}

struct job *job_start(struct target_state *s, const struct job *like)
{
    assert(!s->busy);
    s->job = *like;
    s->job.state = target_state_ref(s);
    s->job.target = target_ref(like->target);
    s->busy = true;
    return &s->job;
}

void job_end(struct job *j)
{
    struct target_state *s = j->state;
    target_unref(j->target);
    s->busy = false; /* from here on the job may be another one */
    target_state_unref(s);
}
