/* SPDX-License-Identifier: Apache-2.0 */
/* jetstream_reader.c - keeps each message of a stream once, in a SQLite database.
 *
 *     jetstream_reader nats://127.0.0.1:4222 METRICS 'metrics.>' archive metrics.db
 *
 * A batch is stored in one transaction, and acknowledged only then: a reader that dies in between
 * gets it again.  The message's id is the primary key, so what comes again changes nothing.  At most
 * BATCH messages are held.
 * Exits with 1 when it cannot go on: whoever starts it starts it again.  */
#include <nats/nats.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH     64
#define IN_FLIGHT 256           /* unacknowledged, of all readers of this name together */
#define ACK_WAIT  (int64_t)10e9 /* ns; then a message is given out again */

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static void need(natsStatus s, const char *what)
{
    if (s == NATS_OK)
        return;
    fprintf(stderr, "jetstream_reader: %s: %s\n", what, nats_GetLastError(NULL));
    exit(1);
}

static void need_db(sqlite3 *db, int code, const char *what)
{
    if (code == SQLITE_OK || code == SQLITE_DONE)
        return;
    fprintf(stderr, "jetstream_reader: %s: %s\n", what, sqlite3_errmsg(db));
    exit(1);
}

static sqlite3 *open_db(const char *path)
{
    sqlite3 *db;
    need_db(NULL, sqlite3_open(path, &db), path);
    sqlite3_busy_timeout(db, 60000);
    need_db(db,
            sqlite3_exec(db,
                         "PRAGMA journal_mode = WAL;"
                         "CREATE TABLE IF NOT EXISTS messages("
                         " id TEXT PRIMARY KEY, target TEXT, due INTEGER, body BLOB)",
                         NULL, NULL, NULL),
            path);
    return db;
}

static const char *header(natsMsg *m, const char *name)
{
    const char *value = NULL;
    return natsMsgHeader_Get(m, name, &value) == NATS_OK ? value : "";
}

static void store(sqlite3 *db, sqlite3_stmt *insert, const natsMsgList *list)
{
    need_db(db, sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), "begin");
    for (int i = 0; i < list->Count; i++) {
        natsMsg *m = list->Msgs[i];
        if (!*header(m, "Strata-Id"))
            continue; /* not from an agent */
        sqlite3_bind_text(insert, 1, header(m, "Strata-Id"), -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 2, header(m, "Strata-Target"), -1, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 3, strtoll(header(m, "Strata-Due"), NULL, 10));
        sqlite3_bind_blob(insert, 4, natsMsg_GetData(m), natsMsg_GetDataLength(m), SQLITE_STATIC);
        need_db(db, sqlite3_step(insert), "insert");
        sqlite3_reset(insert);
    }
    need_db(db, sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), "commit");
}

static natsSubscription *subscribe(natsConnection *c, const char *stream, const char *subject,
                                   const char *durable)
{
    jsCtx *js;
    jsSubOptions o;
    natsSubscription *sub;
    need(natsConnection_JetStream(&js, c, NULL), "JetStream");
    need(jsSubOptions_Init(&o), "options");
    o.Stream = stream;
    o.Config.AckPolicy = js_AckExplicit;
    o.Config.AckWait = ACK_WAIT;
    o.Config.MaxAckPending = IN_FLIGHT;
    need(js_PullSubscribe(&sub, js, subject, durable, NULL, &o, NULL), stream);
    jsCtx_Destroy(js); /* the subscription keeps what it needs of it */
    return sub;
}

static natsConnection *connect_to(const char *url)
{
    natsOptions *o;
    natsConnection *c;
    need(natsOptions_Create(&o), "options");
    need(natsOptions_SetURL(o, url), url);
    need(natsOptions_SetMaxReconnect(o, -1), url); /* for ever */
    need(natsOptions_SetReconnectWait(o, 500), url);
    need(natsConnection_Connect(&c, o), url);
    natsOptions_Destroy(o);
    return c;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: jetstream_reader URL STREAM SUBJECT DURABLE DATABASE\n");
        return 2;
    }
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    sqlite3 *db = open_db(argv[5]);
    sqlite3_stmt *insert;
    need_db(db,
            sqlite3_prepare_v2(db, "INSERT OR IGNORE INTO messages VALUES(?, ?, ?, ?)", -1, &insert,
                               NULL),
            "insert");
    natsConnection *c = connect_to(argv[1]);
    natsSubscription *sub = subscribe(c, argv[2], argv[3], argv[4]);
    while (!stopped) {
        natsMsgList list = {NULL, 0};
        natsStatus s = natsSubscription_Fetch(&list, sub, BATCH, 1000, NULL);
        if (s == NATS_CONNECTION_CLOSED || s == NATS_INVALID_SUBSCRIPTION)
            need(s, "fetch");
        if (s != NATS_OK) {
            if (s != NATS_TIMEOUT) /* the server is away: the library connects again */
                nats_Sleep(500);
            continue;
        }
        store(db, insert, &list);
        for (int i = 0; i < list.Count; i++)
            natsMsg_Ack(list.Msgs[i], NULL); /* one that is lost costs a redelivery */
        natsMsgList_Destroy(&list);
    }
    natsSubscription_Destroy(sub);
    natsConnection_Drain(c);
    natsConnection_Destroy(c);
    sqlite3_finalize(insert);
    sqlite3_close(db);
    return 0;
}
