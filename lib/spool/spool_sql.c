/* SPDX-License-Identifier: Apache-2.0 */
/* spool_sql.c - the statements of a spool, and what SQLite's codes mean. */
#include "spool_private.h"

#include <errno.h>

/* Of seq alone nothing would be found at a glance: how much there is must not cost a look at
 * every row. */
const char spool_schema[] =
    "CREATE TABLE payload(row INTEGER PRIMARY KEY, seq INTEGER NOT NULL, id BLOB NOT NULL, "
    "key TEXT NOT NULL, target_at INTEGER NOT NULL, address TEXT NOT NULL, content_type TEXT, "
    "headers TEXT, due_ms INTEGER NOT NULL, scraped_ms INTEGER NOT NULL, sent_ms INTEGER NOT NULL, "
    "part INTEGER NOT NULL, samples INTEGER NOT NULL, records INTEGER NOT NULL, "
    "stride INTEGER NOT NULL, marks BLOB NOT NULL, bytes INTEGER NOT NULL, "
    "stored INTEGER NOT NULL, sum INTEGER NOT NULL, body BLOB NOT NULL) STRICT;"
    "CREATE INDEX payload_order ON payload(seq, row, samples, bytes, stored, due_ms);"
    "CREATE TABLE state(sent_seq INTEGER NOT NULL) STRICT;"
    "INSERT INTO state VALUES (0);";

static const char *const texts[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_ADD] = "INSERT INTO payload(seq, id, key, target_at, address, content_type, headers, "
                "due_ms, scraped_ms, sent_ms, part, samples, records, stride, marks, bytes, "
                "stored, sum, body, row) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [SQL_REMOVE] = "DELETE FROM payload WHERE row = ? RETURNING samples, bytes, stored",
    [SQL_OLDEST] = "SELECT row FROM payload INDEXED BY payload_order ORDER BY seq, row LIMIT 1",
    [SQL_NEXT] = "SELECT row, seq, samples, bytes, due_ms FROM payload INDEXED BY payload_order "
                 "WHERE (seq, row) > (?, ?) ORDER BY seq, row LIMIT 1",
    [SQL_READ] = "SELECT seq, id, key, target_at, address, content_type, headers, due_ms, "
                 "scraped_ms, sent_ms, part, samples, records, stride, marks, bytes, sum, body "
                 "FROM payload WHERE row = ?",
    [SQL_PAGES] = "PRAGMA page_count",
    [SQL_FREE] = "PRAGMA freelist_count",
    [SQL_TOP] = "UPDATE state SET sent_seq = ?",
    /* The last but one counts rows with numbers that we never write, and would reckon with. */
    [SQL_SUMS] =
        "SELECT count(*), sum(samples), sum(bytes), sum(stored), "
        "sum(row < 1 OR row >> 62 <> 0 OR seq < 0 OR seq >> 62 <> 0 OR samples < 0 OR bytes < 0 OR "
        "stored < 0), max(row) "
        "FROM payload INDEXED BY payload_order",
    [SQL_ENDS] = "SELECT seq, due_ms FROM payload INDEXED BY payload_order "
                 "ORDER BY seq DESC, row DESC LIMIT 1",
};

static enum status from_sqlite(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ERR_AGAIN;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_SCHEMA:
    case SQLITE_ERROR: /* a table is not there any more */
    case SQLITE_MISMATCH: return ERR_CLOSED;
    case SQLITE_NOMEM: abort(); /* as mem.h would say it */
    default: return ERR_IO;     /* full, read-only, cannot be opened, ... */
    }
}

enum status spool_fail(struct spool *s, int code, const char *what, struct err *err)
{
    enum status r = from_sqlite(code);
    if (r == OK)
        return OK;
    int number = s->db ? sqlite3_system_errno(s->db) : 0;
    bool system = r == ERR_IO && number != 0 && (code & 0xff) != SQLITE_FULL;
    s->damaged |= r == ERR_CLOSED;
    return err_set(err, r, "%s: %.80s%s%.60s", what, sqlite3_errstr(code), system ? ": " : "",
                   system ? strerror(number) : "");
}

int spool_prepare(struct spool *s)
{
    int r = SQLITE_OK;
    for (size_t i = 0; i < SQL_COUNT && r == SQLITE_OK; i++)
        r = sqlite3_prepare_v3(s->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &s->sql[i], NULL);
    return r;
}

void spool_finalize(struct spool *s)
{
    for (size_t i = 0; i < SQL_COUNT; i++) {
        sqlite3_finalize(s->sql[i]);
        s->sql[i] = NULL;
    }
}

int spool_run(struct spool *s, enum spool_sql which, int64_t *ret)
{
    sqlite3_stmt *q = s->sql[which];
    int r = sqlite3_step(q);
    if (r == SQLITE_ROW) {
        if (ret)
            *ret = sqlite3_column_int64(q, 0);
        r = SQLITE_DONE;
    }
    int reset = sqlite3_reset(q);
    return r == SQLITE_DONE ? SQLITE_OK : reset != SQLITE_OK ? reset : r;
}

int spool_exec(sqlite3 *db, const char *text)
{
    return sqlite3_exec(db, text, NULL, NULL, NULL);
}

bool spool_ask(sqlite3 *db, const char *text, int64_t *ret)
{
    sqlite3_stmt *q = NULL;
    bool good = sqlite3_prepare_v2(db, text, -1, &q, NULL) == SQLITE_OK && q &&
                sqlite3_step(q) == SQLITE_ROW;
    if (good)
        *ret = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return good;
}

void spool_undo(struct spool *s)
{
    if (!sqlite3_get_autocommit(s->db)) /* some errors have ended it already */
        (void)spool_run(s, SQL_ROLLBACK, NULL);
}

void spool_harden(sqlite3 *db)
{
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_extended_result_codes(db, 1);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 1); /* VACUUM wants one */
    (void)spool_exec(db, "PRAGMA cell_size_check = on");
}

/* Any other text in the schema was not written by us. */
int spool_schema_is_ours(sqlite3 *db, bool *ret)
{
    sqlite3_stmt *q = NULL;
    int found = 0;
    bool ours = true;
    int r =
        sqlite3_prepare_v2(db, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL", -1, &q, NULL);
    while (r == SQLITE_OK && (r = sqlite3_step(q)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(q, 0);
        ours = ours && text && strstr(spool_schema, text) && strlen(text) > 20;
        found++;
        r = SQLITE_OK;
    }
    sqlite3_finalize(q);
    *ret = ours && found == 3;
    return r == SQLITE_DONE ? SQLITE_OK : r;
}
