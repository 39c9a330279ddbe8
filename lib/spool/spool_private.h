/* SPDX-License-Identifier: Apache-2.0 */
/* spool_private.h - what the files of a spool share; nobody else includes it.
 *
 *     spool.c        opening, closing, the numbers
 *     spool_sql.c    statements, and what SQLite's codes mean
 *     spool_file.c   names beside the file: the lock, damaged files, who reads
 *     spool_write.c  one commit: what goes, what makes room, what comes
 *     spool_read.c   the next rows
 *     spool_look.c   a file of anybody's, for people
 *     spool_row.c    a payload as columns  */
#ifndef SPOOL_PRIVATE_H
#define SPOOL_PRIVATE_H

#include "idmap.h"
#include "spool.h"
#include "spool_row.h"

#include <sqlite3.h>

#define SPOOL_APPLICATION 0x53747261 /* "Stra" */
#define SPOOL_PAGE        4096
#define SPOOL_SEQ_MAX     (INT64_MAX / 2)
#define SPOOL_FRAME       (SPOOL_PAGE + 24) /* of the log */

enum spool_sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_ADD,
    SQL_REMOVE,
    SQL_OLDEST,
    SQL_NEXT,
    SQL_READ,
    SQL_PAGES,
    SQL_FREE,
    SQL_TOP,
    SQL_SUMS,
    SQL_ENDS,
    SQL_COUNT
};

struct spool {
    char *file, *vfs;
    char aside[SPOOL_NAME_MAX];
    int64_t size, max_pages;
    int64_t max_log, move_log; /* bytes; from move_log on it is moved into the database */
    size_t max_body;
    bool full_sync;
    int lock_fd;
    uint64_t device, inode; /* of the file */
    sqlite3 *db;
    sqlite3_stmt *sql[SQL_COUNT];

    int64_t rows, samples, bytes, stored, log_frames;
    int64_t next_row;    /* none that this process has had comes twice: it may still be spoken of */
    int64_t before_seq;  /* up to here an earlier process may have sent what it read */
    int64_t top_seq;     /* of what memory has had */
    bool damaged;        /* found while it was used */
    struct idmap loaded; /* row -> payload, or only_on_disk */
    int64_t seq, row;    /* what spool_next said last */
    struct spool_kinds *kinds;
    struct spool_scratch scratch;
    struct spool_dropped *dropped; /* of the write that runs, or ran last */
    size_t dropped_len, dropped_cap;
};

/* spool_sql.c */

/* Maps a code of SQLite; OK for those that are none.  what: "writing the spool". */
enum status spool_fail(struct spool *s, int code, const char *what, struct err *err) NODISCARD;
/* Prepares all statements. */
int spool_prepare(struct spool *s);
void spool_finalize(struct spool *s);
/* Runs a statement that gives no row, or one number (ret not NULL), and resets it. */
int spool_run(struct spool *s, enum spool_sql which, int64_t *ret);
int spool_exec(sqlite3 *db, const char *text);
/* The one number of a statement that is prepared for once.  false: there is none. */
bool spool_ask(sqlite3 *db, const char *text, int64_t *ret);
/* Ends a transaction that failed. */
void spool_undo(struct spool *s);
/* Sets what keeps a hostile file from doing more than being read. */
void spool_harden(sqlite3 *db);
extern const char spool_schema[]; /* makes the tables */
/* Whether the database's tables are those of spool_schema: SQLITE_OK, *ret says. */
int spool_schema_is_ours(sqlite3 *db, bool *ret);

/* spool_file.c */
enum status spool_lock(struct spool *s, struct err *err) NODISCARD;
void spool_unlock(struct spool *s);
/* Who has it: 0: nobody; -1: somebody unknown. */
int spool_holder(const char *file);
enum status spool_make_folder(const char *file, struct err *err) NODISCARD;
enum status spool_move_aside(const struct spool *s, char *ret_name, struct err *err) NODISCARD;
/* "process 17 (sqlite3)", or that it cannot be seen. */
void spool_name_readers(const struct spool *s, char *out, size_t size);
/* ERR_IO: there is none. */
enum status spool_identify(struct spool *s, struct err *err) NODISCARD;

/* spool_write.c */
/* Moves the log into the database as far as readers let it; all: and empties it.  SQLITE_BUSY: they do
 * not. */
int spool_checkpoint(struct spool *s, bool all);
int spool_save_top(struct spool *s);
/* Memory has the row now: as p, or, NULL, as nothing that can be restored. */
void spool_note_read(struct spool *s, int64_t row, struct payload *p);

#endif
