/* SPDX-License-Identifier: Apache-2.0 */
/* test_spool_faults.c - what a spool does when the disk, the file or another process is in its way. */
#include "spool_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static bool says(const struct spool_rig *r, const char *text)
{
    return strstr(r->err.text, text) != NULL;
}

static void run_sql(const struct spool_rig *r, const char *text)
{
    sqlite3 *db;
    CHECK_INT(sqlite3_open(r->file, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* Overwrites len bytes of the file at a place. */
static void spoil(const struct spool_rig *r, off_t at, const void *bytes, size_t len)
{
    int fd = open(r->file, O_WRONLY);
    CHECK(fd >= 0);
    CHECK_INT(pwrite(fd, bytes, len, at), len);
    close(fd);
}

static void fill(struct spool_rig *r)
{
    spool_rig_init(r);
    spool_rig_open(r);
    CHECK_INT(spool_rig_write(r, 1, 20, 3000), OK);
    spool_rig_close(r);
}

TEST(a_file_of_rubbish_is_set_aside_and_a_new_one_made)
{
    struct spool_rig r;
    char name[256];
    fill(&r);
    spoil(&r, 0, "no database at all, but text", 28);
    spool_rig_open(&r);
    CHECK_INT(spool_rig_files(&r, "corrupt-", name), 1);
    CHECK(strstr(spool_aside(r.spool), name));
    CHECK(strstr(name, "main.out.db.corrupt-2"));
    CHECK_INT(spool_stats(r.spool).rows, 0);
    CHECK_INT(spool_rig_write(&r, 1, 1, 10), OK);
    CHECK_INT(spool_rig_next(&r), 1);
    spool_rig_close(&r);
    spool_rig_open(&r);
    CHECK_STR(spool_aside(r.spool), "");
    spool_rig_done(&r);
}

TEST(damaged_files_are_kept_up_to_a_number_and_then_nothing_is_begun)
{
    struct spool_rig r;
    fill(&r);
    for (int i = 0; i < SPOOL_ASIDE_MAX; i++) {
        spoil(&r, 0, "no database at all, but text", 28);
        spool_rig_open(&r);
        spool_rig_close(&r);
    }
    CHECK_INT(spool_rig_files(&r, "corrupt-", NULL), SPOOL_ASIDE_MAX);
    spoil(&r, 0, "no database at all, but text", 28);
    CHECK_INT(spool_rig_try(&r), ERR_IO);
    CHECK(says(&r, "look at them"));
    CHECK_INT(spool_rig_files(&r, "corrupt-", NULL), SPOOL_ASIDE_MAX);
    spool_rig_done(&r);
}

TEST(damage_that_shows_while_it_is_read_is_said_and_the_file_set_aside)
{
    struct spool_rig r;
    char rubbish[4096], name[SPOOL_NAME_MAX];
    struct spool_row row;
    enum status s = OK;
    fill(&r);
    memset(rubbish, 0xa5, sizeof rubbish);
    spool_rig_open(&r);
    for (off_t page = 1; page < 8; page++)
        spoil(&r, 4096 * page, rubbish, sizeof rubbish);
    while (s == OK) {
        AUTO_PTR(payload) struct payload *p = payload_new("", 1 << 20);
        s = spool_next(r.spool, &row, &r.err);
        if (s == OK)
            s = spool_restore(r.spool, &row, p, &r.err);
    }
    CHECK_INT(s, ERR_CLOSED);
    CHECK_INT(spool_set_aside(r.spool, name, &r.err), OK);
    CHECK(access(name, F_OK) == 0);
    spool_rig_open(&r);
    CHECK_INT(spool_stats(r.spool).rows, 0);
    spool_rig_done(&r);
}

TEST(a_row_that_was_changed_is_no_payload_and_the_next_is)
{
    static const char *const changes[] = {
        "UPDATE payload SET body = x'28b52ffd2003190000616263' WHERE row = 1",
        "UPDATE payload SET body = x'' WHERE row = 1",
        "UPDATE payload SET key = 'prod/y' WHERE row = 1",
        "UPDATE payload SET key = '' WHERE row = 1",
        "UPDATE payload SET address = 'elsewhere' WHERE row = 1",
        "UPDATE payload SET id = x'00' WHERE row = 1",
        "UPDATE payload SET bytes = 5 WHERE row = 1",
        "UPDATE payload SET target_at = 900 WHERE row = 1",
        "UPDATE payload SET target_at = -1 WHERE row = 1",
        "UPDATE payload SET part = -1 WHERE row = 1",
        "UPDATE payload SET samples = 1 << 40 WHERE row = 1",
        "UPDATE payload SET stride = 3 WHERE row = 1",
        "UPDATE payload SET marks = x'000000' WHERE row = 1",
        "UPDATE payload SET marks = x'00000000ffffff7f', records = 3, stride = 2 WHERE row = 1",
        "UPDATE payload SET content_type = 'text/plain' || char(10) || 'X: y' WHERE row = 1",
        "UPDATE payload SET headers = 'no colon' WHERE row = 1",
        "UPDATE payload SET headers = 'A: b' || char(13) WHERE row = 1",
        "UPDATE payload SET sum = 0 WHERE row = 1",
    };
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct spool_rig r;
        struct spool_row row;
        fill(&r);
        run_sql(&r, changes[i]);
        spool_rig_open(&r);
        AUTO_PTR(payload) struct payload *p = payload_new("", 1 << 20);
        CHECK_INT(spool_next(r.spool, &row, &r.err), OK);
        if (spool_restore(r.spool, &row, p, &r.err) != ERR_DENIED)
            test_fail(__FILE__, __LINE__, "believed: %s", changes[i]);
        CHECK_INT(spool_rig_next(&r), 2);
        spool_rig_done(&r);
    }
}

TEST(a_file_with_numbers_that_nobody_reckons_with_is_set_aside)
{
    static const char *const changes[] = {
        "UPDATE payload SET bytes = -5 WHERE row = 1",
        "UPDATE payload SET samples = -1 WHERE row = 1",
        "UPDATE payload SET stored = -1 WHERE row = 1",
        "UPDATE payload SET seq = -1 WHERE row = 1",
        "UPDATE payload SET seq = 9223372036854775807 WHERE row = 1",
        "UPDATE payload SET row = 0 WHERE row = 1",
        "UPDATE payload SET row = -9223372036854775807 WHERE row = 1",
        "UPDATE payload SET row = 9223372036854775807 WHERE row = 1",
        "UPDATE state SET sent_seq = 9223372036854775807",
        "UPDATE state SET sent_seq = -1",
    };
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct spool_rig r;
        fill(&r);
        run_sql(&r, changes[i]);
        spool_rig_open(&r);
        if (spool_rig_files(&r, "corrupt-", NULL) != 1 || spool_stats(r.spool).rows != 0)
            test_fail(__FILE__, __LINE__, "believed: %s", changes[i]);
        spool_rig_done(&r);
    }
}

TEST(of_any_bytes_in_the_file_nothing_comes_but_errors)
{
    uint64_t random = 88172645463325252;
    for (int i = 0; i < 12; i++) {
        struct spool_rig r;
        struct spool_row row;
        fill(&r);
        for (int k = 0; k < 60; k++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            off_t at = (off_t)(random >> 20) % (off_t)spool_rig_bytes(&r, "");
            spoil(&r, at < 100 ? at + 100 : at, &random, 1 + (size_t)(random & 7));
        }
        enum status s = spool_rig_try(&r);
        for (int k = 0; k < 100 && s == OK; k++) {
            AUTO_PTR(payload) struct payload *p = payload_new("", 1 << 20);
            s = spool_next(r.spool, &row, &r.err);
            if (s == OK) {
                enum status how = spool_restore(r.spool, &row, p, &r.err);
                CHECK(how == OK || how == ERR_DENIED || how == ERR_LIMIT || how == ERR_CLOSED);
            }
        }
        if (r.spool)
            (void)!spool_rig_write(&r, 30, 32, 100);
        spool_rig_done(&r);
    }
}

TEST(a_file_of_a_newer_version_is_left_alone)
{
    struct spool_rig r;
    fill(&r);
    run_sql(&r, "PRAGMA user_version = 9");
    CHECK_INT(spool_rig_try(&r), ERR_INVALID);
    CHECK(says(&r, "was written by a newer version (9, this one knows 1)"));
    struct spool_view v;
    CHECK_INT(spool_look(r.file, &v, &r.err), ERR_INVALID);
    run_sql(&r, "PRAGMA user_version = 1");
    spool_rig_open(&r);
    CHECK_INT(spool_stats(r.spool).rows, 20);
    spool_rig_done(&r);
}

TEST(another_programs_database_is_left_alone)
{
    struct spool_rig r;
    spool_rig_init(&r);
    run_sql(&r, "CREATE TABLE bookmarks(url TEXT)");
    CHECK_INT(spool_rig_try(&r), ERR_INVALID);
    CHECK(says(&r, "is no spool, but another database"));
    CHECK_INT(spool_rig_files(&r, "corrupt-", NULL), 0);
    spool_rig_done(&r);
}

TEST(tables_that_are_not_ours_are_not_used)
{
    struct spool_rig r;
    fill(&r);
    run_sql(&r, "CREATE TRIGGER t AFTER DELETE ON payload BEGIN SELECT 1; END");
    spool_rig_open(&r);
    CHECK_INT(spool_rig_files(&r, "corrupt-", NULL), 1);
    spool_rig_done(&r);
}

TEST(a_making_that_was_cut_short_is_finished)
{
    struct spool_rig r;
    spool_rig_init(&r);
    run_sql(&r, "PRAGMA journal_mode = wal");
    spool_rig_open(&r);
    CHECK_INT(spool_rig_write(&r, 1, 1, 10), OK);
    CHECK_INT(spool_rig_files(&r, "corrupt-", NULL), 0);
    spool_rig_done(&r);
}

TEST(a_second_process_is_told_who_has_the_file)
{
    struct spool_rig r, second;
    char text[64];
    fill(&r);
    spool_rig_open(&r);
    second = r;
    CHECK_INT(spool_rig_try(&second), ERR_AGAIN);
    snprintf(text, sizeof text, "process %d has the spool", (int)getpid());
    CHECK(says(&second, text));
    spool_rig_close(&r);
    CHECK_INT(spool_rig_try(&second), OK);
    spool_rig_done(&second);
}

/* Another process reads the file until its pipe is closed. */
static pid_t start_reader(const struct spool_rig *r, int *ret_pipe)
{
    int ready[2], stop[2];
    char byte;
    CHECK(pipe2(ready, O_CLOEXEC) == 0 && pipe2(stop, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        sqlite3 *db;
        close(stop[1]);
        if (sqlite3_open(r->file, &db) != SQLITE_OK ||
            sqlite3_exec(db, "BEGIN; SELECT count(*) FROM payload", NULL, NULL, NULL) != SQLITE_OK)
            _exit(1);
        (void)!write(ready[1], "", 1);
        (void)!read(stop[0], &byte, 1);
        _exit(0);
    }
    close(stop[0]);
    close(ready[1]);
    CHECK_INT(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *ret_pipe = stop[1];
    return pid;
}

TEST(a_reader_cannot_make_the_log_grow_and_is_named)
{
    struct spool_rig r;
    int stop;
    char who[64];
    int64_t seq = 1;
    enum status s = OK;
    spool_rig_init(&r);
    spool_rig_open(&r);
    CHECK_INT(spool_rig_write(&r, 1, 1, 1000), OK);
    pid_t pid = start_reader(&r, &stop);
    for (; seq < 300 && s == OK; seq++)
        s = spool_rig_write(&r, seq + 1, seq + 1, 10000);
    CHECK_INT(s, ERR_AGAIN);
    CHECK(seq > 5);
    CHECK(spool_rig_bytes(&r, "-wal") <= SPOOL_SIZE_MIN / 4);
    CHECK(spool_rig_bytes(&r, "-wal") > SPOOL_SIZE_MIN / 8);
    snprintf(who, sizeof who, "while process %d (", (int)pid);
    if (!says(&r, who) && !says(&r, "while a process that cannot be seen"))
        test_fail(__FILE__, __LINE__, "%s", r.err.text);
    CHECK_INT(spool_rig_next(&r), 1); /* what is there can be read */
    close(stop);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
    CHECK_INT(spool_rig_write(&r, 1000, 1010, 10000), OK);
    CHECK(spool_rig_bytes(&r, "-wal") <= SPOOL_SIZE_MIN / 4);
    spool_rig_done(&r);
}

TEST(a_full_disk_changes_nothing_and_later_it_goes_on)
{
    struct spool_rig r;
    spool_rig_init(&r);
    spool_rig_open(&r);
    CHECK_INT(spool_rig_write(&r, 1, 3, 1000), OK);
    fail_vfs.quota = spool_rig_bytes(&r, "-wal") + 1;
    CHECK_INT(spool_rig_write(&r, 4, 4, 20000), ERR_IO);
    CHECK(says(&r, "writing the spool: database or disk is full"));
    CHECK_INT(spool_stats(r.spool).rows, 3);
    CHECK_INT(spool_rig_next(&r), 1);
    fail_vfs_reset();
    CHECK_INT(spool_rig_write(&r, 4, 4, 20000), OK);
    for (int64_t seq = 2; seq <= 4; seq++)
        CHECK_INT(spool_rig_next(&r), seq);
    spool_rig_done(&r);
}

/* Wherever it fails: either all of a commit is there or nothing of it. */
TEST(a_write_that_fails_anywhere_leaves_all_or_nothing)
{
    for (int64_t at = 0; at < 1000; at++) {
        struct spool_rig r;
        spool_rig_init(&r);
        spool_rig_open(&r);
        CHECK_INT(spool_rig_write(&r, 1, 2, 5000), OK);
        fail_vfs.writes_left = at;
        enum status s = spool_rig_write(&r, 3, 3, 5000);
        bool done = fail_vfs.writes_left > 0;
        CHECK(s == OK || s == ERR_IO);
        CHECK_INT(spool_stats(r.spool).rows, s == OK ? 3 : 2);
        fail_vfs_reset();
        CHECK_INT(spool_rig_write(&r, 4, 4, 5000), OK);
        spool_rig_close(&r);
        spool_rig_open(&r);
        CHECK_STR(spool_aside(r.spool), "");
        CHECK_INT(spool_stats(r.spool).rows, s == OK ? 4 : 3);
        for (int64_t seq = 1; seq <= 4; seq++)
            if (seq != 3 || s == OK)
                CHECK_INT(spool_rig_next(&r), seq);
        spool_rig_done(&r);
        if (done)
            return;
    }
    CHECK(false); /* it never came through */
}

TEST(a_making_that_fails_anywhere_can_be_done_again)
{
    for (int64_t at = 0; at < 1000; at++) {
        struct spool_rig r;
        spool_rig_init(&r);
        fail_vfs.writes_left = at;
        enum status s = spool_rig_try(&r);
        CHECK(s == OK || s == ERR_IO);
        bool done = fail_vfs.writes_left > 0;
        spool_rig_close(&r);
        fail_vfs_reset();
        spool_rig_open(&r);
        CHECK_STR(spool_aside(r.spool), "");
        CHECK_INT(spool_rig_write(&r, 1, 1, 10), OK);
        spool_rig_done(&r);
        if (done)
            return;
    }
    CHECK(false);
}

TEST(a_read_that_fails_is_told_and_may_work_later)
{
    struct spool_rig r;
    struct spool_row row;
    fill(&r);
    spool_rig_open(&r);
    AUTO_PTR(payload) struct payload *p = payload_new("", 1 << 20);
    CHECK_INT(spool_next(r.spool, &row, &r.err), OK);
    fail_vfs.reads = SQLITE_IOERR_READ;
    CHECK_INT(spool_restore(r.spool, &row, p, &r.err), ERR_IO);
    CHECK(says(&r, "reading the spool: disk I/O error"));
    fail_vfs_reset();
    payload_reset(p);
    CHECK_INT(spool_restore(r.spool, &row, p, &r.err), OK);
    CHECK_INT(p->seq, 1);
    spool_rig_done(&r);
}

TEST(where_nothing_can_be_made_it_says_so)
{
    struct spool_rig r;
    spool_rig_init(&r);
    r.conf.file = "/proc/strata/main.out.db";
    CHECK_INT(spool_rig_try(&r), ERR_IO);
    CHECK(says(&r, "/proc/strata: "));
    r.conf.file = r.file;
    fail_vfs.opens = SQLITE_CANTOPEN;
    CHECK_INT(spool_rig_try(&r), ERR_IO);
    fail_vfs.opens = 0;
    fail_vfs.writes_left = 0;
    fail_vfs.code = SQLITE_READONLY;
    CHECK_INT(spool_rig_try(&r), ERR_IO);
    CHECK(says(&r, "readonly"));
    fail_vfs_reset();
    spool_rig_open(&r);
    spool_rig_done(&r);
}

TEST(folders_are_made)
{
    struct spool_rig r;
    char file[160], folder[96];
    spool_rig_init(&r);
    snprintf(folder, sizeof folder, "%s/a/b", r.folder);
    snprintf(file, sizeof file, "%s/main.out.db", folder);
    r.conf.file = file;
    spool_rig_open(&r);
    spool_rig_close(&r);
    struct stat st;
    CHECK(stat(file, &st) == 0);
    CHECK_INT(st.st_mode & 07, 0);
    unlink(file);
    snprintf(file, sizeof file, "%s/main.out.db.lock", folder);
    unlink(file);
    rmdir(folder);
    *strrchr(folder, '/') = '\0';
    rmdir(folder);
    spool_rig_done(&r);
}

TEST(a_file_that_was_removed_is_noticed)
{
    struct spool_rig r;
    fill(&r);
    spool_rig_open(&r);
    CHECK(spool_is_there(r.spool));
    unlink(r.file);
    CHECK(!spool_is_there(r.spool));
    spool_rig_done(&r);
}

TEST(rows_that_somebody_else_deleted_are_damage)
{
    struct spool_rig r;
    struct spool_row row;
    fill(&r);
    spool_rig_open(&r);
    CHECK_INT(spool_rig_next(&r), 1);
    run_sql(&r, "DELETE FROM payload WHERE row > 3");
    CHECK_INT(spool_rig_next(&r), 2);
    CHECK_INT(spool_rig_next(&r), 3);
    CHECK_INT(spool_next(r.spool, &row, &r.err), ERR_CLOSED);
    CHECK(says(&r, "17 rows are gone"));
    spool_rig_done(&r);
}

/* Looks again and again at file number *round, until that is negative; its code says how often there
 * was a fault. */
static pid_t start_looking(const struct spool_rig *r, const _Atomic int *round)
{
    struct spool_view v;
    struct err err;
    char file[128];
    int faults = 0;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i; (i = *round) >= 0;) {
        snprintf(file, sizeof file, "%s/%d.db", r->folder, i / 4);
        if (access(file, F_OK) != 0 || spool_look(file, &v, &err) == OK)
            continue;
        fprintf(stderr, "looking: %s\n", err.text);
        faults++;
    }
    _exit(faults < 100 ? faults : 100);
}

TEST(who_looks_at_a_file_that_is_being_opened_is_in_nobodys_way)
{
    struct spool_rig r;
    char file[128];
    int status;
    _Atomic int *round =
        mmap(NULL, sizeof *round, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(round != MAP_FAILED);
    spool_rig_init(&r);
    r.conf.file = file;
    pid_t pid = start_looking(&r, round);
    for (int i = 0; i < 60; *round = ++i) {
        snprintf(file, sizeof file, "%s/%d.db", r.folder, i / 4); /* one in four is new */
        spool_rig_open(&r);
        CHECK_INT(spool_rig_write(&r, 1, 2, 1000), OK);
        spool_rig_close(&r);
    }
    *round = -1;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    munmap((void *)round, sizeof *round);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
    spool_rig_done(&r);
}
