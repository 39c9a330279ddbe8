/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"
#include "secret.h"
#include "test.h"

#include <fcntl.h>
#include <unistd.h>

/* A folder with a file, its secret, and clocks that stand. */
struct fixture {
    char folder[32], path[64], other[64], conf[80];
    struct secret s;
    int64_t now_ns, wall_ms;
    struct err err;
};

static void pass_time(struct fixture *f, int64_t ns)
{
    f->now_ns += ns;
    f->wall_ms += ns / MS_NS;
    clock_hold(f->now_ns, f->wall_ms);
}

static void write_bytes(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, data, len), len);
    close(fd);
}

static void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){.folder = "/tmp/strata-secret-XXXXXX"};
    CHECK(mkdtemp(f->folder) != NULL);
    snprintf(f->path, sizeof f->path, "%s/token", f->folder);
    snprintf(f->other, sizeof f->other, "%s/other", f->folder);
    snprintf(f->conf, sizeof f->conf, "file:%s", f->path);
    secret_init(&f->s, f->conf);
    clock_release();
    f->now_ns = clock_mono_ns();
    f->wall_ms = clock_wall_ms();
    pass_time(f, 0);
}

static void end(struct fixture *f)
{
    secret_done(&f->s);
    unlink(f->path);
    unlink(f->other);
    rmdir(f->folder);
    clock_release();
}

static void check_text(struct fixture *f, const char *want)
{
    const char *text = NULL;
    f->err = (struct err){.status = OK};
    enum status s = secret_get(&f->s, &text, &f->err);
    CHECK_STR(f->err.text, "");
    CHECK_INT(s, OK);
    CHECK_STR(text, want);
}

/* A second later. */
static void check_later(struct fixture *f, const char *want)
{
    pass_time(f, SEC_NS);
    check_text(f, want);
}

/* want: behind the path. */
static void check_fault(struct fixture *f, enum status status, const char *want)
{
    const char *text = NULL;
    pass_time(f, SEC_NS);
    f->err = (struct err){.status = OK};
    CHECK_INT(secret_get(&f->s, &text, &f->err), status);
    CHECK(text == NULL);
    CHECK(strncmp(f->err.text, f->path, strlen(f->path)) == 0);
    CHECK_STR(f->err.text + strlen(f->path), want);
    CHECK_INT(secret_get(&f->s, &text, NULL), status);
}

TEST(a_secret_is_what_is_configured)
{
    struct secret s;
    const char *text = "";
    secret_init(&s, "s3cret");
    CHECK_INT(secret_get(&s, &text, NULL), OK);
    CHECK_STR(text, "s3cret");
    secret_done(&s);
    secret_init(&s, "");
    CHECK_INT(secret_get(&s, &text, NULL), OK);
    CHECK(text == NULL);
    secret_init(&s, NULL);
    text = "";
    CHECK_INT(secret_get(&s, &text, NULL), OK);
    CHECK(text == NULL);
    secret_done(&s);
    CHECK_STR(secret_path("file:/a"), "/a");
    CHECK(secret_path("files:/a") == NULL);
    CHECK(secret_path(NULL) == NULL);
}

TEST(the_end_of_the_line_is_taken_off)
{
    static const char *const cases[][2] = {
        {"t", "t"}, {"t\n", "t"}, {"t\r\n", "t"}, {" t \t\n", " t \t"}, {"\xc3\xa4\n", "\xc3\xa4"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        begin(&f);
        write_text(f.path, cases[i][0]);
        check_text(&f, cases[i][1]);
        end(&f);
    }
}

TEST(a_file_is_looked_at_once_a_second)
{
    struct fixture f;
    begin(&f);
    write_text(f.path, "one");
    check_text(&f, "one");
    write_text(f.path, "two-two");
    pass_time(&f, SEC_NS - 1);
    check_text(&f, "one");
    pass_time(&f, 1);
    check_text(&f, "two-two");
    end(&f);
}

TEST(a_change_of_the_same_size_in_the_same_tick_is_seen)
{
    struct fixture f;
    begin(&f);
    write_text(f.path, "one");
    check_text(&f, "one");
    write_text(f.path, "two");
    struct stat st;
    CHECK_INT(stat(f.path, &st), 0);
    f.s.changed = st.st_ctim; /* as if the clock of files had not moved on */
    check_later(&f, "two");
    end(&f);
}

TEST(a_file_that_did_not_change_is_not_read_again)
{
    struct fixture f;
    begin(&f);
    write_text(f.path, "one");
    pass_time(&f, 10 * SEC_NS);
    check_text(&f, "one");
    const char *text = NULL;
    CHECK_INT(secret_get(&f.s, &text, NULL), OK);
    pass_time(&f, 2 * SEC_NS);
    const char *again = NULL;
    CHECK_INT(secret_get(&f.s, &again, NULL), OK);
    CHECK(text == again);
    end(&f);
}

TEST(a_file_replaced_by_rename_or_by_a_link_is_read)
{
    struct fixture f;
    begin(&f);
    write_text(f.path, "one");
    check_text(&f, "one");
    write_text(f.other, "two");
    CHECK_INT(rename(f.other, f.path), 0);
    pass_time(&f, 5 * SEC_NS);
    check_text(&f, "two");
    write_text(f.other, "six");
    CHECK_INT(unlink(f.path), 0);
    CHECK_INT(symlink("other", f.path), 0);
    pass_time(&f, 5 * SEC_NS);
    check_text(&f, "six");
    end(&f);
}

TEST(a_file_that_is_away_or_empty_keeps_what_was_read)
{
    struct fixture f;
    begin(&f);
    write_text(f.path, "one");
    check_text(&f, "one");
    CHECK_INT(unlink(f.path), 0);
    check_later(&f, "one");
    check_later(&f, "one");
    write_text(f.path, "");
    check_later(&f, "one");
    write_text(f.path, "\n");
    check_later(&f, "one");
    write_text(f.path, "two");
    check_later(&f, "two");
    end(&f);
}

TEST(a_file_that_was_never_there_is_an_error_until_it_comes)
{
    struct fixture f;
    begin(&f);
    check_fault(&f, ERR_IO, ": No such file or directory");
    write_text(f.path, "");
    check_fault(&f, ERR_IO, ": is empty");
    write_text(f.path, "one");
    check_text(&f, "one"); /* at once: nothing was read so far */
    end(&f);
}

TEST(what_is_no_secret_is_refused_even_after_a_good_one)
{
    static const struct {
        const char *data;
        size_t len;
    } cases[] = {{"a\nb\n", 4}, {"a\0b", 3}, {"a\r\nb", 4}, {"\x1b[0m", 4}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        begin(&f);
        write_text(f.path, "good");
        check_text(&f, "good");
        write_bytes(f.path, cases[i].data, cases[i].len);
        check_fault(&f, ERR_INVALID, ": a control character, or a second line");
        write_text(f.path, "good");
        check_text(&f, "good");
        end(&f);
    }
}

TEST(a_secret_has_a_largest_length)
{
    static char data[SECRET_MAX + 1];
    struct fixture f;
    begin(&f);
    memset(data, 'x', sizeof data);
    write_bytes(f.path, data, SECRET_MAX);
    const char *text = NULL;
    CHECK_INT(secret_get(&f.s, &text, NULL), OK);
    CHECK_INT(strlen(text), SECRET_MAX);
    write_bytes(f.path, data, sizeof data);
    check_fault(&f, ERR_LIMIT, ": a secret of more than 65536 bytes");
    end(&f);
}

TEST(a_fifo_or_a_folder_is_refused_and_not_waited_for)
{
    struct fixture f;
    begin(&f);
    CHECK_INT(mkfifo(f.path, 0600), 0);
    check_fault(&f, ERR_INVALID, ": is no regular file");
    CHECK_INT(unlink(f.path), 0);
    CHECK_INT(mkdir(f.path, 0700), 0);
    check_fault(&f, ERR_INVALID, ": is no regular file");
    CHECK_INT(rmdir(f.path), 0);
    end(&f);
}

TEST(a_file_that_may_not_be_read_is_denied)
{
    struct fixture f;
    begin(&f);
    write_text(f.path, "one");
    CHECK_INT(chmod(f.path, 0), 0);
    CHECK_INT(chmod(f.folder, 0755), 0);
    uid_t user = geteuid();
    CHECK_INT(seteuid(user ? user : 65534), 0); /* root may read everything */
    check_fault(&f, ERR_DENIED, ": Permission denied");
    CHECK_INT(seteuid(user), 0);
    CHECK_INT(chmod(f.path, 0600), 0);
    check_text(&f, "one");
    end(&f);
}
