/* SPDX-License-Identifier: Apache-2.0 */
/* spool_write.c - one commit: what is delivered goes, what is oldest makes room, what is new comes. */
#include "mem.h"
#include "spool_private.h"

#include <assert.h>
#include <inttypes.h>

#define EMPTY_PAGES 1024 /* an empty database larger than that is made small again */

static char only_on_disk; /* what idmap has for a row that was read and is no payload */

int spool_checkpoint(struct spool *s, bool all)
{
    int frames = 0, moved = 0;
    int r = sqlite3_wal_checkpoint_v2(
        s->db, NULL, all ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &frames, &moved);
    if (frames >= 0 && all)
        s->log_frames = frames;
    return r;
}

static enum status refuse_readers(struct spool *s, struct err *err)
{
    char who[64];
    spool_name_readers(s, who, sizeof who);
    return err_set(err, ERR_AGAIN,
                   "the log of the spool has %" PRId64
                   " bytes and cannot be emptied while %s reads %.80s",
                   s->log_frames * SPOOL_FRAME, who, s->file);
}

static int64_t pages_for(int64_t bytes)
{
    return bytes / (SPOOL_PAGE - 4) + 4; /* its own, and those of two trees that may split */
}

/* The most that p takes of the log, however badly it compresses. */
static int64_t most_log(const struct payload *p)
{
    size_t bytes = p->body.len + p->body.len / 64 + p->key.len + p->address.len +
                   p->marks.len * sizeof p->marks.at[0] + SPOOL_HEADERS_MAX;
    return pages_for((int64_t)bytes) * SPOOL_FRAME;
}

/* Bytes that the log may still have; what comes into it is there twice once somebody moves it into the
 * database. */
static int64_t find_log_left(struct spool *s)
{
    int64_t pages = s->max_pages;
    (void)spool_run(s, SQL_PAGES, &pages);
    int64_t left = s->size - pages * SPOOL_PAGE - s->log_frames * SPOOL_FRAME;
    int64_t grows = (s->max_pages - pages) * SPOOL_PAGE; /* the database, no further */
    return left / 2 > left - grows ? left / 2 : left - grows;
}

/* Of these bytes for one commit. */
static int64_t find_log_room(struct spool *s, const struct spool_write *w)
{
    int64_t most = s->max_log / 2, left = w->last_ms > 0 ? find_log_left(s) : most;
    return left < most ? left : most;
}

static bool has_log_room(struct spool *s, const struct spool_write *w)
{
    int64_t need = w->add_len > 0 ? most_log(w->add[0]) : 0;
    return w->last_ms > 0 && 2 * need < find_log_left(s); /* as much again for what goes */
}

static bool is_held(int code)
{
    return (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED;
}

/* The log is begun anew by the next commit once all of it is in the database and nobody reads
 * it; where that has not happened, it is enforced, or nothing more is written. */
static enum status bound_log(struct spool *s, const struct spool_write *w, struct err *err)
{
    if (s->log_frames * SPOOL_FRAME <= s->max_log)
        return OK;
    int r = spool_checkpoint(s, true);
    if (is_held(r) && has_log_room(s, w))
        return OK;
    if (is_held(r) && w->last_ms > 0) {
        sqlite3_busy_timeout(s->db, w->last_ms);
        r = spool_checkpoint(s, true);
        sqlite3_busy_timeout(s->db, 0);
    }
    if (is_held(r))
        return refuse_readers(s, err);
    return spool_fail(s, r, "emptying the log of the spool", err);
}

/* One that this very write has added is as if it had not been: it goes on in memory alone. */
static bool was_just_added(const struct spool_write *w, int64_t row)
{
    for (size_t i = 0; i < w->added; i++) {
        if (w->add[i]->row == row) {
            w->add[i]->row = 0;
            return true;
        }
    }
    return false;
}

/* Its payload has ended, and only the log had no room for its removal. */
static bool has_ended(const struct spool_write *w, int64_t row)
{
    for (size_t i = w->removed; i < w->gone_len; i++)
        if (w->gone[i] == row)
            return true;
    return false;
}

static void note_dropped(struct spool *s, int64_t row, int64_t samples)
{
    void *item = idmap_get(&s->loaded, (uint64_t)row);
    if (s->dropped_len == s->dropped_cap) {
        s->dropped_cap = s->dropped_cap ? 2 * s->dropped_cap : 64;
        s->dropped = mem_realloc(s->dropped, s->dropped_cap * sizeof *s->dropped);
    }
    s->dropped[s->dropped_len++] = (struct spool_dropped){
        .row = row, .samples = samples, .payload = item == &only_on_disk ? NULL : item};
}

/* What a commit changes in the numbers, taken over when it is done. */
struct change {
    int64_t rows, samples, bytes, stored;
    int64_t log_bytes; /* that it will need, roughly */
};

/* Not there: it was dropped meanwhile. */
static int remove_row(struct spool *s, int64_t row, struct change *c, int64_t *ret_samples)
{
    sqlite3_stmt *q = s->sql[SQL_REMOVE];
    sqlite3_bind_int64(q, 1, row);
    int r = sqlite3_step(q);
    if (r == SQLITE_ROW) {
        *ret_samples = sqlite3_column_int64(q, 0);
        c->rows--;
        c->samples -= *ret_samples;
        c->bytes -= sqlite3_column_int64(q, 1);
        c->stored -= sqlite3_column_int64(q, 2);
        c->log_bytes += SPOOL_FRAME;
        r = sqlite3_step(q);
    }
    int reset = sqlite3_reset(q);
    return r == SQLITE_DONE ? reset : r;
}

static int find_free(struct spool *s, int64_t *ret)
{
    int64_t pages = 0, freed = 0;
    int r = spool_run(s, SQL_PAGES, &pages);
    if (r == SQLITE_OK)
        r = spool_run(s, SQL_FREE, &freed);
    *ret = s->max_pages - pages + freed;
    return r;
}

static int drop_oldest(struct spool *s, const struct spool_write *w, struct change *c)
{
    int64_t row = 0, samples = 0, before = c->rows;
    int r = spool_run(s, SQL_OLDEST, &row);
    if (r == SQLITE_OK)
        r = remove_row(s, row, c, &samples);
    if (r == SQLITE_OK && c->rows == before)
        return SQLITE_CORRUPT; /* the index has what the table has not */
    if (r == SQLITE_OK && !was_just_added(w, row) && !has_ended(w, row))
        note_dropped(s, row, samples);
    return r;
}

static int make_room(struct spool *s, const struct spool_write *w, int64_t pages,
                     int64_t *free_pages, struct change *c)
{
    int r = SQLITE_OK;
    while (r == SQLITE_OK && *free_pages < pages && s->rows + c->rows > 0) {
        r = drop_oldest(s, w, c);
        if (r == SQLITE_OK)
            r = find_free(s, free_pages);
    }
    return r;
}

static void bind_text(sqlite3_stmt *q, int at, struct span s)
{
    sqlite3_bind_text(q, at, s.data, (int)s.len, SQLITE_STATIC); /* NULL where data is */
}

static void bind_blob(sqlite3_stmt *q, int at, struct span s)
{
    sqlite3_bind_blob(q, at, s.len ? s.data : "", (int)s.len, SQLITE_STATIC);
}

static int insert(struct spool *s, const struct spool_columns *v, int64_t row)
{
    sqlite3_stmt *q = s->sql[SQL_ADD];
    sqlite3_bind_int64(q, 1, v->seq);
    bind_blob(q, 2, v->id);
    bind_text(q, 3, v->key);
    sqlite3_bind_int64(q, 4, v->target_at);
    bind_text(q, 5, v->address);
    bind_text(q, 6, v->content_type);
    bind_text(q, 7, v->headers);
    sqlite3_bind_int64(q, 8, v->due_ms);
    sqlite3_bind_int64(q, 9, v->scraped_ms);
    sqlite3_bind_int64(q, 10, v->sent_ms);
    sqlite3_bind_int64(q, 11, v->part);
    sqlite3_bind_int64(q, 12, v->samples);
    sqlite3_bind_int64(q, 13, v->records);
    sqlite3_bind_int64(q, 14, v->stride);
    bind_blob(q, 15, v->marks);
    sqlite3_bind_int64(q, 16, v->bytes);
    sqlite3_bind_int64(q, 17, (int64_t)v->body.len);
    sqlite3_bind_int64(q, 18, v->sum);
    bind_blob(q, 19, v->body);
    sqlite3_bind_int64(q, 20, row);
    int r = spool_run(s, SQL_ADD, NULL);
    sqlite3_clear_bindings(q); /* what they point to is used again */
    return r;
}

static int add_payload(struct spool *s, const struct spool_write *w, int64_t *free_pages,
                       struct change *c)
{
    struct payload *p = w->add[w->added];
    struct spool_columns v;
    assert(p->row == 0);
    if (spool_row_make(p, &s->scratch, &v) != OK)
        return SQLITE_OK; /* row stays 0 */
    int64_t stored = (int64_t)(v.body.len + v.key.len + v.address.len + v.marks.len);
    int64_t pages = pages_for(stored);
    if (stored > s->size / 4)
        return SQLITE_OK;
    int r = make_room(s, w, pages, free_pages, c);
    if (r == SQLITE_OK)
        r = insert(s, &v, s->next_row);
    if (r != SQLITE_OK)
        return r;
    p->row = s->next_row++;
    *free_pages -= pages;
    c->rows++;
    c->samples += v.samples;
    c->bytes += v.bytes;
    c->stored += (int64_t)v.body.len;
    c->log_bytes += pages * SPOOL_FRAME;
    return SQLITE_OK;
}

int spool_save_top(struct spool *s)
{
    sqlite3_bind_int64(s->sql[SQL_TOP], 1, s->top_seq);
    return spool_run(s, SQL_TOP, NULL);
}

/* Of what is kept: it is sent as soon as this is committed. */
static void raise_top(struct spool *s, const struct spool_write *w)
{
    for (size_t i = 0; i < w->added && w->keep; i++)
        if (w->add[i]->seq > s->top_seq)
            s->top_seq = w->add[i]->seq;
}

/* One is always taken, so that it goes on. */
static bool takes_next(const struct spool_write *w, const struct change *c, int64_t room)
{
    if (w->added == w->add_len)
        return false;
    return w->added == 0 || c->log_bytes + (w->last_ms > 0 ? most_log(w->add[w->added]) : 0) < room;
}

static int change_rows(struct spool *s, struct spool_write *w, struct change *c)
{
    int64_t free_pages, ignored, room = find_log_room(s, w);
    int r = spool_run(s, SQL_BEGIN, NULL);
    while (r == SQLITE_OK && w->removed < w->gone_len &&
           (w->last_ms == 0 || c->log_bytes < room / 2))
        r = remove_row(s, w->gone[w->removed++], c, &ignored);
    if (r == SQLITE_OK)
        r = find_free(s, &free_pages);
    while (r == SQLITE_OK && takes_next(w, c, room)) {
        r = add_payload(s, w, &free_pages, c);
        w->added += r == SQLITE_OK;
    }
    raise_top(s, w);
    if (r == SQLITE_OK)
        r = spool_save_top(s);
    return r == SQLITE_OK ? spool_run(s, SQL_COMMIT, NULL) : r;
}

static void unload(struct spool *s, int64_t row)
{
    if (idmap_get(&s->loaded, (uint64_t)row))
        idmap_remove(&s->loaded, (uint64_t)row);
}

static void take_over(struct spool *s, const struct spool_write *w, const struct change *c)
{
    s->rows += c->rows;
    s->samples += c->samples;
    s->bytes += c->bytes;
    s->stored += c->stored;
    for (size_t i = 0; i < w->gone_len; i++)
        unload(s, w->gone[i]);
    for (size_t i = 0; i < s->dropped_len; i++)
        unload(s, s->dropped[i].row);
    for (size_t i = 0; i < w->added; i++) {
        const struct payload *p = w->add[i];
        if (p->row != 0 && w->keep)
            idmap_put(&s->loaded, (uint64_t)p->row, w->add[i]);
        else if (p->row != 0)
            spool_forget(s, p);
    }
}

/* What grew while nothing was delivered is given back. */
static void shrink(struct spool *s)
{
    int64_t pages = 0;
    if (s->rows == 0 && spool_run(s, SQL_PAGES, &pages) == SQLITE_OK && pages > EMPTY_PAGES)
        (void)spool_exec(s->db, "VACUUM"); /* a reader keeps it from that: next time */
}

enum status spool_write(struct spool *s, struct spool_write *w, struct err *err)
{
    struct change c = {0};
    w->added = w->removed = s->dropped_len = 0;
    enum status status = bound_log(s, w, err);
    if (status != OK)
        return status;
    sqlite3_busy_timeout(s->db, w->last_ms);
    int r = change_rows(s, w, &c);
    sqlite3_busy_timeout(s->db, 0);
    if (r != SQLITE_OK) {
        status = spool_fail(s, r, "writing the spool", err);
        spool_undo(s);
        for (size_t i = 0; i < w->add_len; i++)
            w->add[i]->row = 0;
        w->added = w->removed = s->dropped_len = 0;
        return status;
    }
    take_over(s, w, &c);
    w->dropped = s->dropped;
    w->dropped_len = s->dropped_len;
    if (c.rows < 0)
        shrink(s);
    if (s->log_frames * SPOOL_FRAME > s->move_log)
        (void)spool_checkpoint(s, false); /* if it fails: bound_log sees that */
    return OK;
}

enum status spool_drop_all(struct spool *s, int64_t *ret_samples, struct err *err)
{
    int64_t samples = s->samples;
    int r = spool_exec(s->db, "DELETE FROM payload");
    if (r != SQLITE_OK)
        return spool_fail(s, r, "emptying the spool", err);
    s->rows = s->samples = s->bytes = s->stored = 0;
    idmap_done(&s->loaded);
    idmap_init(&s->loaded);
    shrink(s);
    *ret_samples = samples;
    return OK;
}

void spool_note_read(struct spool *s, int64_t row, struct payload *p)
{
    unload(s, row);
    idmap_put(&s->loaded, (uint64_t)row, p ? (void *)p : &only_on_disk);
}

void spool_ended(struct spool *s, int64_t row)
{
    if (idmap_get(&s->loaded, (uint64_t)row))
        spool_note_read(s, row, NULL);
}

static void read_again(struct spool *s, int64_t row, int64_t seq)
{
    unload(s, row);
    if (seq < s->seq || (seq == s->seq && row <= s->row)) {
        s->seq = seq;
        s->row = row - 1;
    }
}

void spool_forget(struct spool *s, const struct payload *p)
{
    read_again(s, p->row, p->seq);
}

void spool_put_back(struct spool *s, const struct spool_row *row)
{
    read_again(s, row->row, row->seq);
}

void spool_release(struct spool *s, void (*each)(void *to, struct payload *p), void *to)
{
    size_t slots = s->loaded.bits ? (size_t)1 << s->loaded.bits : 0;
    for (size_t i = 0; i < slots; i++) {
        void *item = s->loaded.slots[i].item;
        if (item && item != &only_on_disk)
            each(to, item);
    }
    idmap_done(&s->loaded);
    idmap_init(&s->loaded);
}
