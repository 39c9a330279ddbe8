/* SPDX-License-Identifier: Apache-2.0 */
/* spool.c - opens and closes a spool, and says what is in it. */
#include "mem.h"
#include "spool_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_KIB 1024
#define MOVE_LOG  ((int64_t)8 << 20) /* more at once would take a slow disk long */

static int note_log(void *of, sqlite3 *db, const char *name, int frames)
{
    struct spool *s = of;
    (void)db;
    (void)name;
    s->log_frames = frames;
    return SQLITE_OK;
}

/* SQLite would let others read what is in the messages. */
static enum status make_file(const struct spool *s, struct err *err)
{
    int fd = open(s->file, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_set(err, ERR_IO, "%.150s: %s", s->file, strerror(errno));
    close(fd); /* SQLite has no locks on it yet */
    return OK;
}

/* A file that has just been made, or whose making was cut short. */
static int make_tables(struct spool *s)
{
    char text[160];
    int r = spool_exec(s->db, "BEGIN IMMEDIATE");
    if (r == SQLITE_OK)
        r = spool_exec(s->db, spool_schema);
    snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             SPOOL_APPLICATION, SPOOL_VERSION);
    if (r == SQLITE_OK)
        r = spool_exec(s->db, text);
    if (r != SQLITE_OK)
        (void)spool_exec(s->db, "ROLLBACK");
    return r;
}

/* Of the first read of the file. */
static int read_marks(struct spool *s, int64_t *ret_version, int64_t *ret_application,
                      int64_t *ret_tables)
{
    if (!spool_ask(s->db, "PRAGMA user_version", ret_version) ||
        !spool_ask(s->db, "PRAGMA application_id", ret_application) ||
        !spool_ask(s->db, "SELECT count(*) FROM sqlite_schema", ret_tables)) {
        int r = sqlite3_extended_errcode(s->db);
        return r == SQLITE_OK || r == SQLITE_ROW || r == SQLITE_DONE ? SQLITE_ERROR : r;
    }
    return SQLITE_OK;
}

static enum status check_tables(struct spool *s, struct err *err)
{
    int64_t version, application, tables;
    bool ours;
    int r = read_marks(s, &version, &application, &tables);
    if (r == SQLITE_OK && tables == 0 && version == 0)
        r = make_tables(s);
    else if (r == SQLITE_OK && application != SPOOL_APPLICATION)
        return err_set(err, ERR_INVALID, "%.150s is no spool, but another database", s->file);
    else if (r == SQLITE_OK && version > SPOOL_VERSION)
        return err_set(err, ERR_INVALID,
                       "%.150s was written by a newer version (%lld, this one knows %d)", s->file,
                       (long long)version, SPOOL_VERSION);
    if (r == SQLITE_OK)
        r = spool_schema_is_ours(s->db, &ours);
    if (r == SQLITE_OK && !ours)
        r = SQLITE_CORRUPT;
    return spool_fail(s, r, s->file, err);
}

/* So that the log is begun anew well before it is too long. */
static int set_up(struct spool *s)
{
    char text[300];
    snprintf(text, sizeof text,
             "PRAGMA synchronous = %s; PRAGMA cache_size = -%d; PRAGMA temp_store = memory; "
             "PRAGMA journal_size_limit = %lld; PRAGMA max_page_count = %lld; PRAGMA mmap_size = 0",
             s->full_sync ? "full" : "normal", CACHE_KIB, (long long)s->move_log,
             (long long)s->max_pages);
    sqlite3_wal_autocheckpoint(s->db, 0);
    sqlite3_wal_hook(s->db, note_log, s);
    return spool_exec(s->db, text);
}

static int use_log(struct spool *s)
{
    char text[64];
    snprintf(text, sizeof text, "PRAGMA page_size = %d", SPOOL_PAGE);
    int r = spool_exec(s->db, text);
    return r == SQLITE_OK ? spool_exec(s->db, "PRAGMA journal_mode = wal") : r;
}

static int count_rows(struct spool *s)
{
    sqlite3_stmt *q = s->sql[SQL_SUMS];
    int r = sqlite3_step(q);
    if (r == SQLITE_ROW) {
        s->rows = sqlite3_column_int64(q, 0);
        s->samples = sqlite3_column_int64(q, 1);
        s->bytes = sqlite3_column_int64(q, 2);
        s->stored = sqlite3_column_int64(q, 3);
        r = sqlite3_column_int64(q, 4) == 0 ? SQLITE_OK : SQLITE_CORRUPT;
        if (r == SQLITE_OK)
            s->next_row = sqlite3_column_int64(q, 5) + 1;
    }
    int reset = sqlite3_reset(q);
    return r == SQLITE_OK ? reset : r;
}

static enum status begin_use(struct spool *s, struct err *err)
{
    int r = set_up(s);
    if (r == SQLITE_OK)
        r = spool_prepare(s);
    if (r == SQLITE_OK)
        r = count_rows(s);
    if (r == SQLITE_OK && !spool_ask(s->db, "SELECT sent_seq FROM state", &s->top_seq))
        r = SQLITE_CORRUPT;
    s->before_seq = s->top_seq;
    if (r == SQLITE_OK && (s->top_seq < 0 || s->top_seq > SPOOL_SEQ_MAX))
        r = SQLITE_CORRUPT;
    if (r == SQLITE_OK) /* says at once whether it can be written */
        r = spool_save_top(s);
    if (r == SQLITE_OK && spool_checkpoint(s, true) == SQLITE_CORRUPT)
        r = SQLITE_CORRUPT;
    return spool_fail(s, r, s->file, err);
}

static void close_database(struct spool *s)
{
    spool_finalize(s);
    sqlite3_close(s->db);
    s->db = NULL;
}

static enum status open_database(struct spool *s, struct err *err)
{
    enum status status = make_file(s, err);
    if (status != OK)
        return status;
    int r = sqlite3_open_v2(
        s->file, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, s->vfs);
    if (r == SQLITE_OK) {
        spool_harden(s->db);
        sqlite3_busy_timeout(s->db, SPOOL_OPEN_MS);
        r = use_log(s);
    }
    status = spool_fail(s, r, s->file, err);
    if (status == OK)
        status = check_tables(s, err);
    if (status == OK)
        status = begin_use(s, err);
    if (status == OK)
        status = spool_identify(s, err);
    if (status != OK)
        close_database(s);
    else
        sqlite3_busy_timeout(s->db, 0);
    return status;
}

static void destroy(struct spool *s)
{
    spool_unlock(s);
    idmap_done(&s->loaded);
    spool_scratch_done(&s->scratch);
    mem_free(s->dropped);
    mem_free(s->file);
    mem_free(s->vfs);
    mem_free(s);
}

enum status spool_open(struct spool **ret, const struct spool_conf *conf, struct err *err)
{
    struct spool *s = mem_alloc(sizeof *s);
    s->file = mem_strdup(conf->file);
    s->vfs = mem_strdup(conf->vfs);
    s->size = conf->size;
    s->max_log = conf->size / 8;
    s->move_log = s->max_log / 2 < MOVE_LOG ? s->max_log / 2 : MOVE_LOG;
    s->max_pages = conf->size / 4 * 3 / SPOOL_PAGE;
    s->max_body = conf->max_body;
    s->full_sync = conf->full_sync;
    s->kinds = conf->kinds;
    s->lock_fd = -1;
    s->seq = s->row = INT64_MIN;
    idmap_init(&s->loaded);
    enum status r = spool_make_folder(s->file, err);
    if (r == OK)
        r = spool_lock(s, err);
    if (r == OK)
        r = open_database(s, err);
    if (r == ERR_CLOSED) {
        r = spool_move_aside(s, s->aside, err);
        s->damaged = false;
        if (r == OK)
            r = open_database(s, err);
    }
    if (r != OK) {
        destroy(s);
        return r;
    }
    *ret = s;
    return OK;
}

const char *spool_aside(const struct spool *s)
{
    return s->aside;
}

void spool_close(struct spool *s)
{
    if (!s)
        return;
    if (!s->damaged && spool_save_top(s) == SQLITE_OK)
        (void)spool_checkpoint(s, true); /* else whoever opens it next does */
    close_database(s);
    destroy(s);
}

enum status spool_set_aside(struct spool *s, char *ret_name, struct err *err)
{
    close_database(s);
    enum status r = spool_move_aside(s, ret_name, err);
    destroy(s);
    return r;
}

uint64_t spool_memory(void)
{
    return (uint64_t)sqlite3_memory_used();
}

int64_t spool_unread(const struct spool *s)
{
    return s->rows - (int64_t)s->loaded.len;
}

static void find_ends(struct spool *s, struct spool_stats *t)
{
    sqlite3_stmt *q = s->sql[SQL_ENDS];
    if (sqlite3_step(q) == SQLITE_ROW) {
        t->last_seq = sqlite3_column_int64(q, 0);
        t->newest_ms = sqlite3_column_int64(q, 1);
    }
    sqlite3_reset(q);
    q = s->sql[SQL_NEXT];
    sqlite3_bind_int64(q, 1, INT64_MIN);
    sqlite3_bind_int64(q, 2, INT64_MIN);
    if (sqlite3_step(q) == SQLITE_ROW)
        t->oldest_ms = sqlite3_column_int64(q, 4);
    sqlite3_reset(q);
}

struct spool_stats spool_stats(struct spool *s)
{
    struct spool_stats t = {.rows = s->rows,
                            .unread = spool_unread(s),
                            .samples = s->samples,
                            .bytes = s->bytes,
                            .stored = s->stored,
                            .log_bytes = s->log_frames * SPOOL_FRAME};
    int64_t pages = 0;
    if (spool_run(s, SQL_PAGES, &pages) == SQLITE_OK)
        t.file_bytes = pages * SPOOL_PAGE;
    if (s->rows > 0)
        find_ends(s, &t);
    return t;
}
