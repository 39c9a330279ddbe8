/* SPDX-License-Identifier: Apache-2.0 */
#include "job.h"

#include "hash.h"
#include "mem.h"

#include <assert.h>

struct target_state *target_state_new(const char *target_id)
{
    struct target_state *s = mem_alloc(sizeof *s);
    s->refs = 1;
    s->shard = hash_bytes(target_id, strlen(target_id));
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
    mem_free(s);
}

/* Texts for people are many times as long as all the rest, and most targets have none. */
static size_t bytes_of(const struct target_shown *s)
{
    bool wrong = s->last_error.status != OK || s->first_bad.status != OK ||
                 s->first_refused.status != OK || s->first_flaw.status != OK || s->named_len > 0;
    return wrong ? sizeof *s : offsetof(struct target_shown, last_error);
}

void target_state_show(struct target_state *s, const struct target_shown *shown)
{
    size_t bytes = bytes_of(shown);
    pthread_mutex_lock(&s->lock);
    if (bytes != s->shown_bytes) {
        mem_free(s->shown);
        s->shown = mem_alloc(bytes);
        s->shown_bytes = bytes;
    }
    memcpy(s->shown, shown, bytes);
    pthread_mutex_unlock(&s->lock);
}

struct target_shown target_state_shown(struct target_state *s)
{
    struct target_shown shown = {.health = TARGET_UNKNOWN};
    pthread_mutex_lock(&s->lock);
    if (s->shown)
        memcpy(&shown, s->shown, s->shown_bytes);
    pthread_mutex_unlock(&s->lock);
    return shown;
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
