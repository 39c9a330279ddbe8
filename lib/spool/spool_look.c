/* SPDX-License-Identifier: Apache-2.0 */
/* spool_look.c - what is in a file, without having it. */
#include "clock.h"
#include "spool_private.h"

#include <inttypes.h>
#include <time.h>

#define BUSY_MS 2000
#define MADE_NS (2 * SEC_NS)  /* until whoever has an empty file has made its tables */
#define FREE_NS (200 * MS_NS) /* likewise when it seems that nobody has it */
#define STEP_NS (MS_NS)

static enum status look_error(sqlite3 *db, int code, const char *file, struct err *err)
{
    struct spool s = {.db = db};
    enum status r = spool_fail(&s, code, file, err);
    return r == ERR_CLOSED ? err_set(err, ERR_CLOSED, "%.150s is damaged, or no spool", file) : r;
}

/* As they were at one time: somebody may just be making the tables. */
static bool read_marks(sqlite3 *db, int64_t *tables, int64_t *application, int64_t *version)
{
    return spool_exec(db, "BEGIN") == SQLITE_OK &&
           spool_ask(db, "SELECT count(*) FROM sqlite_schema", tables) &&
           spool_ask(db, "PRAGMA application_id", application) &&
           spool_ask(db, "PRAGMA user_version", version) && spool_exec(db, "COMMIT") == SQLITE_OK;
}

/* ERR_AGAIN, in addition: it is empty. */
static enum status try_file(const char *file, sqlite3 **ret, struct err *err)
{
    sqlite3 *db = NULL;
    int64_t application = 0, version = 0, tables = 0;
    int r = sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    enum status status = OK;
    if (r == SQLITE_OK) {
        spool_harden(db);
        sqlite3_busy_timeout(db, BUSY_MS);
        if (!read_marks(db, &tables, &application, &version))
            r = sqlite3_extended_errcode(db);
    }
    if (r != SQLITE_OK)
        status = look_error(db, r, file, err);
    else if (tables == 0 && version == 0)
        status = err_set(err, ERR_AGAIN, "%.150s is empty, and no spool", file);
    else if (application != SPOOL_APPLICATION)
        status = err_set(err, ERR_INVALID, "%.150s is no spool", file);
    else if (version > SPOOL_VERSION)
        status = err_set(err, ERR_INVALID, "%.150s was written by a newer version", file);
    if (status == OK)
        *ret = db;
    else
        sqlite3_close(db);
    return status;
}

/* One that is just being made is empty for a moment. */
static enum status open_file(const char *file, sqlite3 **ret, struct err *err)
{
    int64_t start = clock_mono_ns();
    for (;;) {
        enum status r = try_file(file, ret, err);
        if (r != ERR_AGAIN)
            return r;
        if (clock_mono_ns() - start >= (spool_holder(file) ? MADE_NS : FREE_NS))
            return r;
        nanosleep(&(struct timespec){.tv_nsec = STEP_NS}, NULL);
    }
}

enum status spool_look(const char *file, struct spool_view *ret, struct err *err)
{
    sqlite3 *db;
    struct spool_view v = {.holder = spool_holder(file)};
    struct spool_stats *t = &v.stats;
    int64_t pages = 0;
    enum status status = open_file(file, &db, err);
    if (status != OK)
        return status;
    v.locked = v.holder != 0;
    v.holder = v.holder > 0 ? v.holder : 0;
    bool good = spool_ask(db, "SELECT count(*) FROM payload", &t->rows) &&
                spool_ask(db, "SELECT sum(samples) FROM payload", &t->samples) &&
                spool_ask(db, "SELECT sum(bytes) FROM payload", &t->bytes) &&
                spool_ask(db, "SELECT sum(stored) FROM payload", &t->stored) &&
                spool_ask(db, "SELECT max(seq) FROM payload", &t->last_seq) &&
                spool_ask(db, "SELECT min(due_ms) FROM payload", &t->oldest_ms) &&
                spool_ask(db, "SELECT max(due_ms) FROM payload", &t->newest_ms) &&
                spool_ask(db, "PRAGMA page_count", &pages);
    t->unread = t->rows;
    t->file_bytes = pages * SPOOL_PAGE;
    if (!good)
        status = look_error(db, sqlite3_extended_errcode(db), file, err);
    sqlite3_close(db);
    if (status == OK)
        *ret = v;
    return status;
}

static const char *text_of(sqlite3_stmt *q, int at)
{
    const char *text = (const char *)sqlite3_column_text(q, at);
    return text ? text : "";
}

static void read_line(sqlite3_stmt *q, struct spool_line *l)
{
    *l = (struct spool_line){.row = sqlite3_column_int64(q, 0),
                             .seq = sqlite3_column_int64(q, 1),
                             .due_ms = sqlite3_column_int64(q, 2),
                             .part = sqlite3_column_int64(q, 3),
                             .samples = sqlite3_column_int64(q, 4),
                             .bytes = sqlite3_column_int64(q, 5),
                             .stored = sqlite3_column_int64(q, 6),
                             .target = text_of(q, 8),
                             .address = text_of(q, 9)};
    snprintf(l->id, sizeof l->id, "%s", text_of(q, 7));
}

enum status spool_list(const char *file, int64_t most,
                       bool (*show)(void *to, const struct spool_line *line), void *to,
                       struct err *err)
{
    static const char text[] =
        "SELECT row, seq, due_ms, part, samples, bytes, stored, lower(hex(id)), "
        "CAST(substr(CAST(key AS BLOB), target_at + 1) AS TEXT), address "
        "FROM payload ORDER BY seq, row LIMIT ?";
    sqlite3 *db;
    sqlite3_stmt *q = NULL;
    struct spool_line line;
    enum status status = open_file(file, &db, err);
    if (status != OK)
        return status;
    int r = sqlite3_prepare_v2(db, text, -1, &q, NULL);
    if (r == SQLITE_OK)
        r = sqlite3_bind_int64(q, 1, most);
    bool more = true;
    while (r == SQLITE_OK && more) {
        r = sqlite3_step(q);
        if (r != SQLITE_ROW)
            break;
        read_line(q, &line);
        more = show(to, &line);
        r = SQLITE_OK;
    }
    if (r != SQLITE_OK && r != SQLITE_DONE)
        status = look_error(db, r, file, err);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return status;
}
