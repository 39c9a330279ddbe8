/* SPDX-License-Identifier: Apache-2.0 */
/* The file sink: whole payloads only, whatever the disk does; rotation; who may open. */
#include "fake_sink.h"
#include "sink_run.h"
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/strata-sink-XXXXXX", path[64];

static void enter(void)
{
    if (path[0] == '\0') {
        if (!mkdtemp(dir))
            abort();
        snprintf(path, sizeof path, "%s/out", dir);
    }
}

/* Removes what a test may have made. */
__attribute__((destructor)) static void leave(void)
{
    static const char *const names[] = {"", ".1", ".2", ".3", ".moved"};
    char name[96];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(name, sizeof name, "%s%s", path, names[i]);
        unlink(name);
    }
    rmdir(dir);
}

static const char *content(const char *suffix)
{
    static char text[4096], name[96];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    FILE *f = fopen(name, "r");
    if (!f)
        return "(none)";
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

#define SETTINGS(...) ((const char *const[]){"path", path, ##__VA_ARGS__, NULL})

static struct sink_run run;

static void start(const char *const *settings)
{
    enter();
    leave();
    if (mkdir(dir, 0700) != 0)
        abort();
    if (sink_run_open(&run, "file", settings) != OK)
        test_fail(__FILE__, __LINE__, "%s", run.err.text);
}

#define SEND(text) sink_run_send(&run, text, strlen(text))

TEST(payloads_are_appended_to_what_is_there)
{
    start(SETTINGS("fsync", "true"));
    CHECK(access(path, F_OK) != 0); /* open touches nothing */
    CHECK_INT(SEND("one\n"), OK);
    sink_run_close(&run);
    if (sink_run_open(&run, "file", SETTINGS()) != OK)
        abort();
    CHECK_INT(SEND("two\n"), OK);
    CHECK_INT(run.ended[OK], 1);
    CHECK_STR(content(""), "one\ntwo\n");
    struct stat st;
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_mode & 0777 & ~0640U, 0);
    sink_run_close(&run);
}

TEST(a_json_value_ends_with_a_line_break)
{
    start(SETTINGS());
    struct payload *p = sink_run_payload(&run, "[1]", 3);
    p->content_type = "application/json";
    CHECK_INT(run.ops->send(run.self, p, DEADLINE_NEVER, NULL), OK);
    CHECK_STR(content(""), "[1]\n");
    sink_run_close(&run);
}

TEST(files_are_renewed_by_size_and_the_oldest_goes)
{
    start(SETTINGS("rotate_size", "8", "keep", "2"));
    static const char *const lines[] = {"aaa\n", "bbb\n", "ccc\n", "longer than a file\n", "ddd\n"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        CHECK_INT(SEND(lines[i]), OK);
    CHECK_STR(content(""), "ddd\n");
    CHECK_STR(content(".1"), "longer than a file\n");
    CHECK_STR(content(".2"), "ccc\n"); /* aaa and bbb are gone */
    CHECK_STR(content(".3"), "(none)");
    sink_run_close(&run);
}

TEST(without_kept_files_the_file_begins_anew_in_place)
{
    start(SETTINGS("rotate_size", "4", "keep", "0"));
    CHECK_INT(SEND("aaa\n"), OK);
    CHECK_INT(SEND("bbb\n"), OK);
    CHECK_STR(content(""), "bbb\n");
    CHECK_STR(content(".1"), "(none)");
    sink_run_close(&run);
}

TEST(a_file_that_others_move_is_made_anew)
{
    start(SETTINGS());
    char moved[96];
    snprintf(moved, sizeof moved, "%s.moved", path);
    CHECK_INT(SEND("one\n"), OK);
    CHECK_INT(rename(path, moved), 0);
    CHECK_INT(SEND("two\n"), OK);
    CHECK_STR(content(""), "two\n");
    CHECK_STR(content(".moved"), "one\n");
    CHECK_INT(run.lane.connects, 2);
    sink_run_close(&run);
}

/* The most bytes a file of this process may have, as a disk that is full; 0: lifted. */
static void limit_files(rlim_t bytes)
{
    struct rlimit l;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &l);
    l.rlim_cur = bytes ? bytes : l.rlim_max;
    if (setrlimit(RLIMIT_FSIZE, &l) != 0)
        abort();
}

TEST(a_full_disk_gets_no_part_of_a_payload_and_takes_it_when_there_is_room)
{
    start(SETTINGS());
    CHECK_INT(SEND("one\n"), OK);
    limit_files(10);
    enum status full = SEND("a payload of more\n"), small = SEND("two\n"), again = SEND("three\n");
    struct err err = run.err;
    limit_files(0);
    CHECK_INT(full, ERR_IO);
    CHECK_INT(small, OK); /* what fits still goes in */
    CHECK_INT(again, ERR_IO);
    CHECK(strstr(err.text, path) && strstr(err.text, "write") && strstr(err.text, "uid"));
    CHECK_STR(content(""), "one\ntwo\n");
    CHECK_INT(SEND("a payload of more\n"), OK);
    CHECK_STR(content(""), "one\ntwo\na payload of more\n");
    CHECK_INT(run.ended[OK], 3);
    sink_run_close(&run);
}

TEST(a_device_that_is_full_is_an_io_error_each_time)
{
    enter();
    struct sink_run r;
    CHECK_INT(sink_run_open(&r, "file", (const char *const[]){"path", "/dev/full", NULL}), OK);
    CHECK_INT(sink_run_send(&r, "x", 1), ERR_IO);
    CHECK_INT(sink_run_send(&r, "x", 1), ERR_IO);
    CHECK(strstr(r.err.text, "/dev/full: cannot write"));
    sink_run_close(&r);
}

TEST(what_cannot_be_opened_is_said_at_send_and_works_later)
{
    enter();
    struct sink_run r;
    char below[96];
    snprintf(below, sizeof below, "%s/none/out", dir);
    CHECK_INT(sink_run_open(&r, "file", (const char *const[]){"path", below, NULL}), OK);
    CHECK_INT(sink_run_send(&r, "x", 1), ERR_IO);
    CHECK(strstr(r.err.text, below) && strstr(r.err.text, "No such file"));
    sink_run_close(&r);
    CHECK_INT(sink_run_open(&r, "file", (const char *const[]){"path", "/tmp", NULL}), OK);
    CHECK_INT(sink_run_send(&r, "x", 1), ERR_DENIED);
    sink_run_close(&r);
}

TEST(two_sinks_do_not_share_a_file)
{
    start(SETTINGS());
    struct sink_run other;
    CHECK_INT(sink_run_open(&other, "file", SETTINGS()), OK);
    CHECK_INT(SEND("one\n"), OK);
    CHECK_INT(sink_run_send(&other, "two\n", 4), ERR_AGAIN); /* as during a reload */
    char want[128];
    snprintf(want, sizeof want, "another output (or process) still writes to %s", path);
    CHECK_STR(other.err.text, want);
    sink_run_close(&run);
    CHECK_INT(sink_run_send(&other, "two\n", 4), OK);
    CHECK_STR(content(""), "one\ntwo\n");
    sink_run_close(&other);
}

static struct rig *rig_to_file(void *conf)
{
    struct rig *r = rig_new();
    r->conf.sink = sink_find("file");
    r->conf.sink_conf = conf;
    rig_start(r);
    return r;
}

static void rig_end(struct rig *r)
{
    lane_close(r->lane, clock_mono_ns() + 10 * SEC_NS);
    WAIT(lane_is_done(r->lane));
    check_balance(r);
    CHECK_INT(r->books.delivered, 1);
    rig_free(r);
}

TEST(a_lane_whose_file_another_holds_shows_why_and_goes_on_when_it_is_free)
{
    start(SETTINGS());
    char want[128];
    snprintf(want, sizeof want, "another output (or process) still writes to %s", path);
    struct rig *old = rig_to_file(run.conf), *new = rig_to_file(run.conf);
    rig_scrape(old, "x", 1, "a 1\n");
    WAIT(old->books.delivered == 1);
    rig_scrape(new, "x", 2, "b 2\n");
    WAIT(lane_state(new->lane).failing);
    struct lane_state state = lane_state(new->lane);
    CHECK_INT(state.last_error.status, ERR_AGAIN);
    CHECK_STR(state.last_error.text, want);
    CHECK_INT(new->books.delivered, 0);
    rig_end(old);
    WAIT(new->books.delivered == 1);
    CHECK(!lane_state(new->lane).failing);
    rig_end(new);
    CHECK_STR(content(""), "a:1|g\nb:2|g\n");
    sink_run_close(&run);
}

TEST(faulty_settings_are_refused_at_open)
{
    static const char *const modes[] = {"", "64", "0888", "rw", "06400", "640 "};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        struct sink_run r;
        CHECK_INT(
            sink_run_open(&r, "file", (const char *const[]){"path", "x", "mode", modes[i], NULL}),
            ERR_INVALID);
        sink_run_close(&r);
    }
    struct sink_run r;
    CHECK_INT(sink_run_open(&r, "file", (const char *const[]){"path", "", NULL}), ERR_INVALID);
    sink_run_close(&r);
}
