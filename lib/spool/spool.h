/* SPDX-License-Identifier: Apache-2.0 */
/* spool.h - payloads of one lane on disk, in their order, until they are delivered.
 *
 *     spool_open(&s, &conf, &err)
 *     spool_write(s, &write, &err)            adds some, deletes others: one commit
 *     while (spool_next(s, &row, &err) == OK) the next that memory does not have
 *         spool_restore(s, &row, p, &err)     p is what it was, and p->row says where it is
 *     spool_close(s)                          what is there stays there
 *
 * An SQLite database in WAL mode with one table, payload; the file beside it that ends in .lock
 * says which process has it.  Anybody may read it meanwhile (sqlite3 FILE 'select ...').
 * What was committed survives the death of the process; a loss of power as `synchronous` of SQLite
 * says: NORMAL may lose the last commits, FULL none.  Neither damages the file.
 *
 * Bound: database and log together never pass `size`, but for one message.  SQLite cannot bound its log:
 * it grows as long as somebody reads.  So at most three quarters are the database's, the
 * log is emptied early, and when it is above an eighth and a reader keeps it from being emptied,
 * spool_write refuses (ERR_AGAIN) and says who reads; only the last ones go on, as far as size lets them.  When the database is full its oldest rows go, and
 * the caller hears of each.
 *
 * Errors of all calls that take err:
 *   ERR_AGAIN    somebody holds the file: a reader the log, another process all of it
 *   ERR_IO       the disk is full, read-only, failing; the same call may work later.  Nothing has
 *                changed
 *   ERR_INVALID  it is a newer version's, or not ours: left alone
 *   ERR_CLOSED   it is damaged: spool_set_aside, then spool_open makes a new one
 *
 * Threads: one at a time.  Time: each call may wait for the disk as long as the disk takes; only
 * commits, and the emptying of the log that some of them bring, wait for it to be written.  */
#ifndef SPOOL_H
#define SPOOL_H

#include "payload.h"

#define SPOOL_VERSION      1
#define SPOOL_SIZE_MIN     ((int64_t)1 << 20)
#define SPOOL_ASIDE_MAX    3 /* damaged files kept beside; with so many nothing new is begun */
#define SPOOL_CONTENT_MAX  256
#define SPOOL_HEADERS_MAX  1024 /* bytes of all headers of a payload */
#define SPOOL_HEADER_LINES 8
#define SPOOL_KINDS_MAX    16  /* pairs of content type and headers in a file */
#define SPOOL_OPEN_MS      100 /* for which opening waits for who holds the file just then */

struct spool;

/* Texts that restored payloads point to, content types and headers: they may outlive a spool. */
struct spool_kinds;
struct spool_kinds *spool_kinds_new(void);
void spool_kinds_free(struct spool_kinds *k); /* NULL is fine */

struct spool_conf {
    const char *file; /* its folder is made if it is not there */
    int64_t size;     /* bytes, at least SPOOL_SIZE_MIN */
    size_t max_body;  /* longer ones are not restored */
    bool full_sync;
    const char *vfs;           /* of SQLite; NULL: the usual one */
    struct spool_kinds *kinds; /* outlives all that is restored */
};

enum status spool_open(struct spool **ret, const struct spool_conf *conf,
                       struct err *err) NODISCARD;

/* Where spool_open has moved a damaged file that it found; "": it found none. */
const char *spool_aside(const struct spool *s);

/* Empties the log if it can.  NULL is fine. */
void spool_close(struct spool *s);

/* Closes s and moves its file away: NAME.corrupt-TIME, the log likewise.  *ret_name, of at least
 * SPOOL_NAME_MAX bytes, is where to.  ERR_IO: it could not be moved; s is closed all the same. */
#define SPOOL_NAME_MAX 4096
enum status spool_set_aside(struct spool *s, char *ret_name, struct err *err) NODISCARD;

struct spool_stats {
    int64_t rows, unread;  /* unread: not in memory */
    int64_t samples;       /* in all rows */
    int64_t bytes, stored; /* of all bodies, as they were and as they are kept */
    int64_t last_seq;      /* 0: no rows */
    int64_t file_bytes, log_bytes;
    int64_t oldest_ms, newest_ms; /* due times of the first and the last row; 0: no rows */
};
struct spool_stats spool_stats(struct spool *s);
int64_t spool_unread(const struct spool *s); /* that of the stats, at no cost */

/* Bytes that SQLite has, of all spools of the process.  Any thread. */
uint64_t spool_memory(void);

/* False: the file has been removed or replaced by somebody else; what s has is lost with s. */
bool spool_is_there(const struct spool *s);

/* A row that had to make room. */
struct spool_dropped {
    int64_t row, samples;
    struct payload *payload; /* as restored or kept; NULL: memory does not have it */
};

struct spool_write {
    struct payload *const *add; /* stay the caller's; each with a seq, and row 0 */
    size_t add_len;
    const int64_t *gone; /* rows; no number comes twice while s is open */
    size_t gone_len;
    bool keep; /* those added count as read: memory has them */
    int last_ms; /* above 0: what is not written soon is lost.  The log may have all that size leaves, and
                    who holds the file is waited for so long.  Of gone some may stay: they are given
                    again, or whoever opens the file next reads them */

    /* Filled on OK.  A call writes as many as one commit may hold, at least one: added says how many, the
     * first ones; row of one that is larger than a quarter of the file stays 0.  removed: so many of
     * gone, the first ones, are gone: without last_ms all.  dropped is valid until the next call. */
    size_t added, removed;
    const struct spool_dropped *dropped;
    size_t dropped_len;
};
enum status spool_write(struct spool *s, struct spool_write *w, struct err *err) NODISCARD;

struct spool_row {
    int64_t row, seq;
    int64_t samples, bytes; /* bytes: of the body */
    int64_t due_ms;
};

/* The next row that memory does not have, by seq and row.  Each is said once: it counts as read
 * from then on, whatever spool_restore says, unless it is put back.  OK; ERR_TIMEOUT: there is none now; or as above. */
enum status spool_next(struct spool *s, struct spool_row *ret, struct err *err) NODISCARD;

void spool_put_back(struct spool *s, const struct spool_row *row);

/* Fills p, which is empty, and whose body may have row->bytes bytes.  content_type and headers are
 * valid as long as conf.kinds.  A payload that may have been delivered is `unknown`, with the time in
 * first_sent_ns: it was when it was written, or an earlier process had read it; that time is not
 * known then, and that of the scrape is taken.
 * OK; ERR_LIMIT: longer than max_body says, or than p's body may be; ERR_DENIED: the row is damaged, the
 * caller deletes it; or as above. */
enum status spool_restore(struct spool *s, const struct spool_row *row, struct payload *p,
                          struct err *err) NODISCARD;

/* Memory does not have p, which was restored or kept, any more: it will be read again. */
void spool_forget(struct spool *s, const struct payload *p);

/* The payload of that row has ended: it is the caller's again, the row is to be removed by a later
 * spool_write. */
void spool_ended(struct spool *s, int64_t row);

/* Calls each for every payload that memory has; they count as its alone then, for s goes next. */
void spool_release(struct spool *s, void (*each)(void *to, struct payload *p), void *to);

/* A file as anybody may look at it, whoever has it: nothing is changed. */
struct spool_view {
    struct spool_stats stats;
    bool locked; /* a process has it */
    int holder;  /* its number; 0: not known */
};
enum status spool_look(const char *file, struct spool_view *ret, struct err *err) NODISCARD;

/* One row for people; texts are valid inside of the call. */
struct spool_line {
    int64_t row, seq, due_ms, part, samples, bytes, stored;
    char id[PAYLOAD_ID_TEXT + 1];
    const char *target, *address;
};
/* Calls show for each of the first `most` rows in their order, until it says false. */
enum status spool_list(const char *file, int64_t most,
                       bool (*show)(void *to, const struct spool_line *line), void *to,
                       struct err *err) NODISCARD;

/* Deletes all rows.  *ret_samples: how many samples were in them. */
enum status spool_drop_all(struct spool *s, int64_t *ret_samples, struct err *err) NODISCARD;

#endif
