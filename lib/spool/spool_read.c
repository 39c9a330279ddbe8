/* SPDX-License-Identifier: Apache-2.0 */
/* spool_read.c - the rows that memory does not have, one after the other. */
#include "spool_private.h"

static int find_next(struct spool *s, struct spool_row *ret)
{
    sqlite3_stmt *q = s->sql[SQL_NEXT];
    sqlite3_bind_int64(q, 1, s->seq);
    sqlite3_bind_int64(q, 2, s->row);
    int r = sqlite3_step(q);
    if (r == SQLITE_ROW)
        *ret = (struct spool_row){.row = sqlite3_column_int64(q, 0),
                                  .seq = sqlite3_column_int64(q, 1),
                                  .samples = sqlite3_column_int64(q, 2),
                                  .bytes = sqlite3_column_int64(q, 3),
                                  .due_ms = sqlite3_column_int64(q, 4)};
    int reset = sqlite3_reset(q); /* or it would keep the log from being emptied */
    return r == SQLITE_ROW || r == SQLITE_DONE ? r : reset;
}

enum status spool_next(struct spool *s, struct spool_row *ret, struct err *err)
{
    struct spool_row row;
    while (spool_unread(s) > 0) {
        int r = find_next(s, &row);
        if (r == SQLITE_DONE)
            break;
        if (r != SQLITE_ROW)
            return spool_fail(s, r, "reading the spool", err);
        s->seq = row.seq;
        s->row = row.row;
        if (idmap_get(&s->loaded, (uint64_t)row.row))
            continue;
        spool_note_read(s, row.row, NULL);
        *ret = row;
        return OK;
    }
    return err_set(err, ERR_TIMEOUT, "the spool has no more");
}

static struct span text_column(sqlite3_stmt *q, int at)
{
    const char *data = (const char *)sqlite3_column_text(q, at);
    return (struct span){data, data ? (size_t)sqlite3_column_bytes(q, at) : 0};
}

static struct span blob_column(sqlite3_stmt *q, int at)
{
    const char *data = sqlite3_column_blob(q, at);
    return (struct span){data, data ? (size_t)sqlite3_column_bytes(q, at) : 0};
}

static void read_columns(sqlite3_stmt *q, struct spool_columns *c)
{
    *c = (struct spool_columns){.seq = sqlite3_column_int64(q, 0),
                                .id = blob_column(q, 1),
                                .key = text_column(q, 2),
                                .target_at = sqlite3_column_int64(q, 3),
                                .address = text_column(q, 4),
                                .content_type = text_column(q, 5),
                                .headers = text_column(q, 6),
                                .due_ms = sqlite3_column_int64(q, 7),
                                .scraped_ms = sqlite3_column_int64(q, 8),
                                .sent_ms = sqlite3_column_int64(q, 9),
                                .part = sqlite3_column_int64(q, 10),
                                .samples = sqlite3_column_int64(q, 11),
                                .records = sqlite3_column_int64(q, 12),
                                .stride = sqlite3_column_int64(q, 13),
                                .marks = blob_column(q, 14),
                                .bytes = sqlite3_column_int64(q, 15),
                                .sum = sqlite3_column_int64(q, 16),
                                .body = blob_column(q, 17)};
}

static enum status restore(struct spool *s, const struct spool_row *row, struct payload *p,
                           struct err *err)
{
    struct spool_columns c;
    read_columns(s->sql[SQL_READ], &c);
    if (c.samples != row->samples || c.bytes != row->bytes || c.seq != row->seq)
        return err_set(err, ERR_DENIED, "row %lld is not what its index says", (long long)row->row);
    if (c.bytes > (int64_t)s->max_body)
        return err_set(err, ERR_LIMIT, "row %lld has %lld bytes, more than are restored",
                       (long long)row->row, (long long)c.bytes);
    if (c.sent_ms == 0 && c.seq <= s->before_seq)
        c.sent_ms = c.scraped_ms;
    return spool_row_restore(&c, s->kinds, &s->scratch, p, err);
}

enum status spool_restore(struct spool *s, const struct spool_row *row, struct payload *p,
                          struct err *err)
{
    sqlite3_stmt *q = s->sql[SQL_READ];
    enum status status = OK;
    sqlite3_bind_int64(q, 1, row->row);
    int r = sqlite3_step(q);
    if (r == SQLITE_ROW)
        status = restore(s, row, p, err);
    else if (r == SQLITE_DONE)
        status = err_set(err, ERR_DENIED, "row %lld is in the index only", (long long)row->row);
    int reset = sqlite3_reset(q);
    if (r != SQLITE_ROW && r != SQLITE_DONE)
        return spool_fail(s, reset, "reading the spool", err);
    if (status != OK)
        return status;
    p->row = row->row;
    if (p->seq > s->top_seq)
        s->top_seq = p->seq;
    spool_note_read(s, row->row, p);
    return OK;
}
