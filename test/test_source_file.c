/* SPDX-License-Identifier: Apache-2.0 */
#include "sources.h"
#include "sources_test.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

/* A source on a folder of its own, and clocks that stand. */
struct fixture {
    char folder[32];
    struct test_env e;
    const struct source_ops *ops;
    void *self;
    struct test_receiver r;
    struct err err; /* of the last ready */
    int64_t now_ns, wall_ms;
};

static void pass_time(struct fixture *f, int64_t ns)
{
    f->now_ns += ns;
    f->wall_ms += ns / MS_NS;
    clock_hold(f->now_ns, f->wall_ms);
}

static void path_of(const struct fixture *f, const char *name, char ret[200])
{
    snprintf(ret, 200, "%s/%s", f->folder, name);
}

static void write_file(const struct fixture *f, const char *name, const char *text)
{
    char path[200];
    path_of(f, name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void remove_file(const struct fixture *f, const char *name)
{
    char path[200];
    path_of(f, name, path);
    CHECK_INT(unlink(path), 0);
}

static void rename_file(const struct fixture *f, const char *from, const char *to)
{
    char a[200], b[200];
    path_of(f, from, a);
    path_of(f, to, b);
    CHECK_INT(rename(a, b), 0);
}

static void make_folder(const struct fixture *f, const char *name)
{
    char path[200];
    path_of(f, name, path);
    CHECK_INT(mkdir(path, 0700), 0);
}

static void make_link(const struct fixture *f, const char *to, const char *name)
{
    char path[200];
    path_of(f, name, path);
    CHECK_INT(symlink(to, path), 0);
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){.folder = "/tmp/strata-file-XXXXXX", .r = TEST_RECEIVER};
    CHECK(mkdtemp(f->folder) != NULL);
    f->ops = source_find("file");
    CHECK(f->ops != NULL);
    test_env_init(&f->e);
    clock_release();
    f->now_ns = clock_mono_ns();
    f->wall_ms = clock_wall_ms();
    pass_time(f, 0);
}

/* patterns are in the folder and ended by NULL. */
static void open_files(struct fixture *f, const char *const *patterns)
{
    _Alignas(max_align_t) char conf[256] = {0};
    char path[200];
    CHECK(f->ops->conf_size <= sizeof conf);
    setting_defaults(f->ops->settings, conf);
    for (; *patterns; patterns++) {
        path_of(f, *patterns, path);
        CHECK_INT(setting_set(setting_find(f->ops->settings, "files"), conf, path, NULL), OK);
    }
    CHECK_INT(f->ops->open(&f->self, conf, &f->e.env, NULL), OK);
    setting_done(f->ops->settings, conf);
    CHECK_INT(f->ops->timer_ns(f->self), DEADLINE_NOW);
}
#define OPEN(f, ...) open_files(f, (const char *const[]){__VA_ARGS__, NULL})

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void end(struct fixture *f)
{
    f->ops->close(f->self);
    nftw(f->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    buf_done(&f->r.text);
    test_env_done(&f->e);
    clock_release();
}

/* What ready says, and what it has told since the last time. */
static void check_ready(struct fixture *f, enum status want, const char *told)
{
    struct target_emit emit = {test_receive, &f->r};
    f->err = (struct err){.status = OK};
    CHECK_INT(f->ops->ready(f->self, &emit, &f->err), want);
    CHECK_STR(f->r.text.data, told);
    buf_truncate(&f->r.text, 0);
}

static bool is_readable(const struct fixture *f)
{
    struct pollfd p = {.fd = f->ops->fd(f->self), .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

/* A change was told of, and is looked at a moment later. */
static void check_change(struct fixture *f, enum status want, const char *told)
{
    struct target_emit emit = {test_receive, &f->r};
    CHECK(is_readable(f));
    (void)!f->ops->ready(f->self, &emit, &f->err);
    CHECK_STR(f->r.text.data, "");
    CHECK(!is_readable(f));
    CHECK_INT(f->ops->timer_ns(f->self) - f->now_ns, 50 * MS_NS);
    pass_time(f, 50 * MS_NS);
    check_ready(f, want, told);
    CHECK(f->ops->timer_ns(f->self) > f->now_ns + SEC_NS);
}

/* err says that, behind the folder. */
static void check_fault(const struct fixture *f, const char *want)
{
    CHECK(strncmp(f->err.text, f->folder, strlen(f->folder)) == 0);
    CHECK_STR(f->err.text + strlen(f->folder) + 1, want);
}

static void check_refused(const struct fixture *f, size_t want, const char *lines)
{
    AUTO(buf) struct buf out = BUF_INIT(10000);
    CHECK_INT(f->ops->refused(f->self, &out), want);
    CHECK_STR(out.data, lines);
}

TEST(json_and_yaml_files_are_read_in_the_order_of_the_patterns)
{
    struct fixture f;
    begin(&f);
    write_file(&f, "b.json", "[{\"targets\":[\"b:1\",\"b:2\"],\"labels\":{\"env\":\"x\\/y\"}}]\n");
    write_file(&f, "a.json", "[\t{\n\t\t\"targets\" : [ \"a:1\" ], \"other\": [1, {}] } ]");
    write_file(&f, "c.yml",
               "# hosts\n- targets:\n  - c:1\n  labels:\n    env: x\n    no: ~\n"
               "- targets: ['c:2']\n- labels: {a: b}\n- targets:\n");
    OPEN(&f, "*.yml", "*.json", "a.json", "none.json");
    CHECK(f.ops->fd(f.self) >= 0);
    check_ready(&f, OK,
                "+http://c:1/metrics +http://c:2/metrics +http://a:1/metrics +http://b:1/metrics "
                "+http://b:2/metrics synced");
    CHECK_INT(f.ops->timer_ns(f.self) - f.now_ns, 300 * SEC_NS);
    check_refused(&f, 0, "");
    end(&f);
}

TEST(all_is_told_to_a_receiver_with_room_for_one)
{
    struct fixture f;
    begin(&f);
    write_file(&f, "a.json", "[{\"targets\":[\"a\",\"b\"]}]");
    OPEN(&f, "a.json");
    f.r.room = 1;
    check_ready(&f, ERR_AGAIN, "+http://a:80/metrics");
    check_ready(&f, ERR_AGAIN, "");
    f.r.room = 1;
    check_ready(&f, ERR_AGAIN, "+http://b:80/metrics");
    f.r.room = 1;
    check_ready(&f, OK, "synced");
    end(&f);
}

TEST(only_what_differs_is_told)
{
    struct fixture f;
    begin(&f);
    write_file(&f, "a.json", "[{\"targets\":[\"a\",\"b\",\"c\"],\"labels\":{\"l\":\"1\"}}]");
    write_file(&f, "z.json", "[{\"targets\":[\"z\"]}]");
    OPEN(&f, "*.json");
    check_ready(&f, OK,
                "+http://a:80/metrics +http://b:80/metrics +http://c:80/metrics "
                "+http://z:80/metrics synced");
    CHECK(!is_readable(&f));
    write_file(&f, "a.json",
               "[{\"targets\":[\"d\",\"b\"],\"labels\":{\"l\":\"1\"}},"
               "{\"targets\":[\"c\"],\"labels\":{\"l\":\"2\"}}]");
    check_change(&f, OK, "-http://a:80/metrics +http://d:80/metrics +http://c:80/metrics");
    write_file(&f, "a.json", "[]");
    check_change(&f, OK, "-http://b:80/metrics -http://c:80/metrics -http://d:80/metrics");
    end(&f);
}

TEST(what_a_target_asks_for_differs_too)
{
    static const char *const asked[] = {"__scrape_interval__: 20s", "__scrape_interval__: 21s",
                                        "__scrape_timeout__: 2s", "__sample_limit__: 9"};
    struct fixture f;
    char text[200];
    begin(&f);
    write_file(&f, "a.yml", "- targets: [h]\n");
    OPEN(&f, "*.yml");
    check_ready(&f, OK, "+http://h:80/metrics synced");
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        snprintf(text, sizeof text, "- targets: [h]\n  labels: {%s}\n", asked[i]);
        write_file(&f, "a.yml", text);
        check_change(&f, OK, "+http://h:80/metrics");
    }
    end(&f);
}

TEST(of_two_changes_that_found_no_room_the_newer_is_told)
{
    struct fixture f;
    begin(&f);
    write_file(&f, "a.json", "[{\"targets\":[\"a\"]}]");
    OPEN(&f, "*.json");
    check_ready(&f, OK, "+http://a:80/metrics synced");
    write_file(&f, "a.json", "[{\"targets\":[\"b\",\"c\"]}]");
    f.r.room = 2;
    check_change(&f, ERR_AGAIN, "-http://a:80/metrics +http://b:80/metrics");
    write_file(&f, "a.json", "[{\"targets\":[\"d\",\"b\"]}]");
    check_ready(&f, ERR_AGAIN, "");
    pass_time(&f, 50 * MS_NS);
    check_ready(&f, ERR_AGAIN, "");
    f.r.room = SIZE_MAX;
    check_ready(&f, OK, "+http://d:80/metrics");
    end(&f);
}

TEST(a_faulty_file_keeps_its_last_good_targets_and_harms_no_other)
{
    struct fixture f;
    begin(&f);
    write_file(&f, "a.yml", "- targets: [a, b]\n");
    write_file(&f, "b.yml", "- targets: [c]\n");
    OPEN(&f, "*.yml");
    check_ready(&f, OK, "+http://a:80/metrics +http://b:80/metrics +http://c:80/metrics synced");
    write_file(&f, "a.yml", "- targets: [a]\n  lables: {}\n");
    write_file(&f, "b.yml", "- targets: [d]\n");
    check_change(&f, ERR_INVALID, "-http://c:80/metrics +http://d:80/metrics");
    check_fault(&f, "a.yml:2:3: 'lables' is neither targets nor labels");
    write_file(&f, "b.yml", "nothing\n");
    check_change(&f, ERR_INVALID, "");
    check_fault(&f, "a.yml:2:3: 'lables' is neither targets nor labels (and 1 other files)");
    write_file(&f, "a.yml", "- targets: [a]\n");
    check_change(&f, ERR_INVALID, "-http://b:80/metrics");
    check_fault(&f, "b.yml:1:1: is no list of groups");
    check_ready(&f, ERR_INVALID, "");
    write_file(&f, "b.yml", "- targets: [d]\n");
    check_change(&f, OK, "");
    end(&f);
}

TEST(what_is_no_file_sd_is_refused_with_its_place)
{
    static const char *const cases[][2] = {
        {"", "x.json:1:1: is empty; [] says that there is no target"},
        {"# nothing\n", "x.json:1:1: is empty; [] says that there is no target"},
        {"null", "x.json:1:1: is no list of groups"},
        {"{\"targets\": []}", "x.json:1:1: is no list of groups"},
        {"[\"a:1\"]", "x.json:1:2: a group is no map of targets and labels"},
        {"[{\"targets\": \"a:1\"}]", "x.json:1:14: targets is no list"},
        {"[{\"targets\": [[]]}]", "x.json:1:15: a target is no text"},
        {"[{\"targets\": [null]}]", "x.json:1:15: a target is no text"},
        {"[{\"labels\": []}]", "x.json:1:13: labels is no map"},
        {"[{\"labels\": {\"a\": {}}}]", "x.json:1:19: the value of a label is no text"},
        {"[{\"targets\": [], \"targets\": []}]",
         "x.json:1:18: the key 'targets' is there twice, first at 1:3"},
    };
    struct fixture f;
    begin(&f);
    write_file(&f, "x.json", "[{\"targets\":[\"a\"]}]");
    OPEN(&f, "*.json");
    check_ready(&f, OK, "+http://a:80/metrics synced");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        write_file(&f, "x.json", cases[i][0]);
        check_change(&f, ERR_INVALID, "");
        check_fault(&f, cases[i][1]);
    }
    end(&f);
}

TEST(a_file_that_is_faulty_from_the_start_does_not_hold_up_the_rest)
{
    struct fixture f;
    begin(&f);
    write_file(&f, "a.json", "[");
    write_file(&f, "b.json", "[{\"targets\":[\"b\"]}]");
    OPEN(&f, "*.json");
    check_ready(&f, ERR_INVALID, "+http://b:80/metrics synced");
    end(&f);
}

TEST(files_come_and_go_and_are_renamed)
{
    struct fixture f;
    begin(&f);
    OPEN(&f, "a.json", "*.yml");
    check_ready(&f, OK, "synced");
    write_file(&f, "a.json", "[{\"targets\":[\"a\"]}]");
    check_change(&f, OK, "+http://a:80/metrics");
    write_file(&f, "b.tmp", "- targets: [b]");
    check_change(&f, OK, "");
    rename_file(&f, "b.tmp", "b.yml");
    check_change(&f, OK, "+http://b:80/metrics");
    rename_file(&f, "a.json", "a.json~");
    check_change(&f, OK, "-http://a:80/metrics");
    rename_file(&f, "a.json~", "a.json");
    check_change(&f, OK, "+http://a:80/metrics");
    remove_file(&f, "a.json");
    remove_file(&f, "b.yml");
    check_change(&f, OK, "-http://b:80/metrics -http://a:80/metrics");
    end(&f);
}

TEST(an_editor_that_moves_the_old_file_away_first_changes_nothing_in_between)
{
    struct fixture f;
    begin(&f);
    write_file(&f, "a.json", "[{\"targets\":[\"a\"]}]");
    OPEN(&f, "a.json");
    check_ready(&f, OK, "+http://a:80/metrics synced");
    rename_file(&f, "a.json", "a.json~");
    check_ready(&f, OK, "");
    pass_time(&f, 40 * MS_NS);
    write_file(&f, "a.json", "[{\"targets\":[\"a\", \"b\"]}]");
    check_ready(&f, OK, "");
    pass_time(&f, 10 * MS_NS);
    check_ready(&f, OK, "+http://b:80/metrics");
    end(&f);
}

TEST(the_link_of_a_config_map_is_followed_when_it_moves)
{
    struct fixture f;
    begin(&f);
    make_folder(&f, "..1");
    write_file(&f, "..1/t.json", "[{\"targets\":[\"a\"]}]");
    make_link(&f, "..1", "..data");
    make_link(&f, "..data/t.json", "t.json");
    OPEN(&f, "*.json");
    check_ready(&f, OK, "+http://a:80/metrics synced");
    make_folder(&f, "..2");
    write_file(&f, "..2/t.json", "[{\"targets\":[\"b\"]}]");
    make_link(&f, "..2", "..data_tmp");
    rename_file(&f, "..data_tmp", "..data");
    remove_file(&f, "..1/t.json");
    check_change(&f, OK, "-http://a:80/metrics +http://b:80/metrics");
    end(&f);
}

TEST(what_nobody_tells_is_found_at_the_next_refresh)
{
    struct fixture f;
    begin(&f);
    make_folder(&f, "else");
    make_link(&f, "else/t.json", "t.json");
    OPEN(&f, "*.json", "later/*.json", "[x-z]/t.yml");
    check_ready(&f, OK, "synced");
    write_file(&f, "else/t.json", "[{\"targets\":[\"a\"]}]");
    CHECK(!is_readable(&f));
    pass_time(&f, 299 * SEC_NS);
    check_ready(&f, OK, "");
    pass_time(&f, SEC_NS);
    check_ready(&f, OK, "+http://a:80/metrics");
    make_folder(&f, "later");
    make_folder(&f, "y");
    check_change(&f, OK, "");
    write_file(&f, "later/l.json", "[{\"targets\":[\"l\"]}]");
    check_change(&f, OK, "+http://l:80/metrics");
    write_file(&f, "y/t.yml", "- targets: [y]");
    check_change(&f, OK, "+http://y:80/metrics");
    remove_file(&f, "y/t.yml");
    char path[200];
    path_of(&f, "y", path);
    CHECK_INT(rmdir(path), 0);
    check_change(&f, OK, "-http://y:80/metrics");
    make_folder(&f, "y");
    write_file(&f, "y/t.yml", "- targets: [y]");
    check_change(&f, OK, "+http://y:80/metrics");
    end(&f);
}

TEST(a_change_within_one_tick_of_the_clock_and_of_the_same_size_is_seen)
{
    struct fixture f;
    begin(&f);
    write_file(&f, "a.json", "[{\"targets\":[\"a\"]}]");
    OPEN(&f, "*.json");
    check_ready(&f, OK, "+http://a:80/metrics synced");
    for (int i = 0; i < 20; i++) { /* some of them are within a tick: it is milliseconds long */
        write_file(&f, "a.json", "[{\"targets\":[\"b\"]}]");
        check_change(&f, OK, "-http://a:80/metrics +http://b:80/metrics");
        write_file(&f, "a.json", "[{\"targets\":[\"a\"]}]");
        check_change(&f, OK, "-http://b:80/metrics +http://a:80/metrics");
        f.wall_ms -= 100; /* the files stay young */
    }
    end(&f);
}

TEST(the_first_file_has_a_target_and_the_next_one_inherits_it)
{
    struct fixture f;
    begin(&f);
    write_file(&f, "a.json", "[{\"targets\":[\"x\"],\"labels\":{\"from\":\"a\"}}]");
    write_file(&f, "b.json", "[{\"targets\":[\"x\"],\"labels\":{\"from\":\"b\"}}]");
    OPEN(&f, "*.json");
    check_ready(&f, OK, "+http://x:80/metrics synced");
    check_refused(&f, 1, "x: is there already\n");
    pass_time(&f, 5 * SEC_NS);
    write_file(&f, "c.txt", ""); /* b.json is read when it is not young any more */
    check_change(&f, OK, "");
    remove_file(&f, "a.json");
    check_change(&f, OK, "+http://x:80/metrics");
    check_refused(&f, 0, "");
    end(&f);
}

TEST(bad_targets_and_those_above_the_bound_are_refused_by_name)
{
    struct fixture f;
    begin(&f);
    test_env_set(&f.e.common, "targets", "2");
    write_file(&f, "a.yml", "- targets: [a, 'u:p@b', \"c\\nd\", e]");
    write_file(&f, "b.yml", "- targets: [f, a]");
    OPEN(&f, "*.yml");
    check_ready(&f, OK, "+http://a:80/metrics +http://e:80/metrics synced");
    check_refused(&f, 4,
                  "***@b: credentials in the URL: they belong into http: of the source\n"
                  "c?d: a space, control character or byte beyond ASCII in the URL\n"
                  "f: above the bound of 2 targets\na: is there already\n");
    pass_time(&f, 5 * SEC_NS);
    write_file(&f, "c.txt", ""); /* b.yml is read when it is not young any more */
    check_change(&f, OK, "");
    write_file(&f, "a.yml", "- targets: [e]");
    check_change(&f, OK, "-http://a:80/metrics +http://f:80/metrics");
    check_refused(&f, 1, "a: above the bound of 2 targets\n");
    end(&f);
}

TEST(what_is_no_regular_file_or_too_large_is_a_fault)
{
    struct fixture f;
    char path[200];
    begin(&f);
    make_folder(&f, "folder.json");
    write_file(&f, "a.json", "[{\"targets\":[\"a\"]}]");
    OPEN(&f, "*.json");
    check_ready(&f, OK, "+http://a:80/metrics synced");
    path_of(&f, "p.json", path);
    CHECK_INT(mkfifo(path, 0600), 0);
    check_change(&f, ERR_INVALID, "");
    check_fault(&f, "p.json: is no regular file");
    remove_file(&f, "p.json");
    path_of(&f, "a.json", path);
    CHECK_INT(truncate(path, (16 << 20) + 1), 0);
    pass_time(&f, 300 * SEC_NS);
    check_ready(&f, ERR_LIMIT, "");
    check_fault(&f, "a.json: more than 16777216 bytes");
    end(&f);
}

TEST(a_file_that_may_not_be_read_keeps_its_targets)
{
    struct fixture f;
    char path[200];
    begin(&f);
    path_of(&f, "a.json", path);
    write_file(&f, "a.json", "[{\"targets\":[\"a\"]}]");
    OPEN(&f, "*.json");
    check_ready(&f, OK, "+http://a:80/metrics synced");
    CHECK_INT(chmod(path, 0), 0);
    CHECK_INT(chmod(f.folder, 0755), 0);
    uid_t user = geteuid();
    CHECK_INT(seteuid(user ? user : 65534), 0); /* root may read everything */
    check_change(&f, ERR_DENIED, "");
    CHECK_INT(seteuid(user), 0);
    check_fault(&f, "a.json: Permission denied");
    CHECK_INT(chmod(path, 0600), 0);
    check_change(&f, OK, "");
    end(&f);
}

TEST(the_end_of_a_long_path_is_shown)
{
    struct fixture f;
    begin(&f);
    char name[150];
    memset(name, 'n', sizeof name);
    memcpy(name + sizeof name - 6, ".json", 6);
    write_file(&f, name, "[");
    OPEN(&f, "*.json");
    check_ready(&f, ERR_INVALID, "synced");
    CHECK(strncmp(f.err.text, "...nnn", 6) == 0);
    CHECK(strncmp(f.err.text + 98, ".json:", 6) == 0);
    end(&f);
}

TEST(an_empty_pattern_refuses_the_configuration)
{
    const struct source_ops *ops = source_find("file");
    _Alignas(max_align_t) char conf[256] = {0};
    void *self;
    struct err err;
    struct test_env e;
    test_env_init(&e);
    setting_defaults(ops->settings, conf);
    CHECK_INT(setting_set(setting_find(ops->settings, "files"), conf, "", NULL), OK);
    CHECK_INT(ops->open(&self, conf, &e.env, &err), ERR_INVALID);
    CHECK_STR(err.text, "files: number 1 is empty");
    setting_done(ops->settings, conf);
    test_env_done(&e);
}
