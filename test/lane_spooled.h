/* SPDX-License-Identifier: Apache-2.0 */
/* lane_spooled.h - a lane to a fake sink, with a spool in a folder of its own. */
#ifndef LANE_SPOOLED_H
#define LANE_SPOOLED_H

#include "fake_sink.h"
#include "spool_rig.h"

/* A rig whose lane has a spool in a folder of its own, and a small buffer. */
struct spooled {
    struct rig *r;
    struct spool_rig disk;
};

static inline void spooled_init(struct spooled *t, unsigned mode)
{
    spool_rig_init(&t->disk);
    t->r = rig_new();
    t->r->conf.buffer_bytes = 1;
    t->r->conf.max_message = 100;
    t->r->conf.spool = (struct lane_spool_conf){.file = t->disk.file,
                                                .size = SPOOL_SIZE_MIN,
                                                .mode = mode,
                                                .vfs = FAIL_VFS,
                                                .commit_ns = 2 * MS_NS,
                                                .held_ns = 10 * MS_NS,
                                                .last_ns = 20 * MS_NS};
}

static inline void spooled_done(struct spooled *t)
{
    rig_free(t->r);
    spool_rig_done(&t->disk);
}

/* The same configuration in another process: another lane, with books of its own. */
static inline void restart(struct spooled *t)
{
    struct rig *old = t->r;
    lane_close(old->lane, DEADLINE_NOW);
    WAIT(lane_is_done(old->lane));
    check_balance(old);
    CHECK_INT(old->books.in_memory + old->books.in_spool, 0);
    t->r = rig_new();
    t->r->conf.buffer_bytes = old->conf.buffer_bytes;
    t->r->conf.max_message = old->conf.max_message;
    t->r->conf.spool = old->conf.spool;
    rig_free(old);
}

static inline void scrape_some(struct rig *r, int64_t from, int64_t to)
{
    char id[16];
    for (int64_t i = from; i < to; i++) {
        snprintf(id, sizeof id, "x%d", (int)(i % 3));
        rig_scrape(r, id, i, "a 1\n");
        WAIT(lane_state(r->lane).buffer.bytes < lane_state(r->lane).buffer.cap_bytes / 4 * 3);
    }
}

/* All of from to to came, once each, those of one key in their order. */
static inline void check_order(struct rig *r, int64_t from, int64_t to)
{
    int64_t last[3] = {-1, -1, -1};
    int64_t n = 0;
    for (size_t i = 0; i < r->fake.sends; i++) {
        const struct fake_send *s = &r->fake.log[i];
        size_t key = (size_t)(s->key[strlen(s->key) - 1] - '0');
        if (s->result != OK)
            continue;
        CHECK(s->due_ms > last[key]);
        CHECK_INT(s->due_ms % 3, key);
        CHECK(s->due_ms >= from && s->due_ms < to);
        last[key] = s->due_ms;
        n++;
    }
    CHECK_INT(n, to - from);
}

/* So many series of random names and values, 70 bytes each: what does not compress. */
static inline void make_noise(struct buf *text, uint64_t *random, int series)
{
    buf_truncate(text, 0);
    for (int k = 0; k < series; k++) {
        uint64_t of[4];
        for (size_t i = 0; i < ARRAY_LEN(of); i++) {
            *random ^= *random << 13;
            *random ^= *random >> 7;
            *random ^= *random << 17;
            of[i] = *random;
        }
        CHECK_INT(buf_printf(text, "s%016" PRIx64 "%016" PRIx64 "%016" PRIx64 " %" PRIu64 "\n",
                             of[0], of[1], of[2], of[3] >> 10),
                  OK);
    }
}

#endif
