/* SPDX-License-Identifier: Apache-2.0 */
/* The stdout sink on a pipe: readers that are slow, and readers that go. */
#include "sink_run.h"
#include "test.h"

#include <fcntl.h>
#include <unistd.h>

static int saved, reader; /* the real standard output; the pipe's other end */
static struct sink_run run;

/* Standard output is a pipe until restore; no CHECK in between, for it prints. */
static void redirect(const char *header)
{
    int fds[2];
    fflush(stdout);
    saved = dup(STDOUT_FILENO);
    if (pipe(fds) != 0 || dup2(fds[1], STDOUT_FILENO) < 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK))
        abort();
    close(fds[1]);
    reader = fds[0];
    if (sink_run_open(&run, "stdout", (const char *const[]){"header", header, NULL}) != OK)
        abort();
}

static void restore(void)
{
    dup2(saved, STDOUT_FILENO);
    close(saved);
    if (reader >= 0)
        close(reader);
    sink_run_close(&run);
}

static char got[1 << 20];
static size_t got_len;

static void drain(void)
{
    ssize_t n;
    while ((n = read(reader, got + got_len, sizeof got - 1 - got_len)) > 0)
        got_len += (size_t)n;
    got[got_len] = '\0';
}

TEST(a_payload_comes_out_as_it_is)
{
    got_len = 0;
    redirect("false");
    enum status s = sink_run_send(&run, "one\n", 4);
    drain();
    restore();
    CHECK_INT(s, OK);
    CHECK_STR(got, "one\n");
    CHECK_INT(run.ended[OK], 1);
}

TEST(with_header_key_and_size_go_first)
{
    got_len = 0;
    redirect("true");
    enum status s = sink_run_send(&run, "one\n", 4);
    drain();
    restore();
    CHECK_INT(s, OK);
    CHECK_STR(got, "# prod/shop/cart-0 4 bytes\none\n");
}

/* More than a pipe holds. */
static struct payload *large(void)
{
    static char body[300000];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)('a' + i % 23);
    return sink_run_payload(&run, body, sizeof body);
}

static enum status send_now(struct payload *p)
{
    return run.ops->send(run.self, p, DEADLINE_NOW, &run.err);
}

TEST(a_slow_reader_gets_the_payload_in_pieces_and_nothing_twice)
{
    got_len = 0;
    redirect("false");
    struct payload *p = large();
    AUTO(buf) struct buf want = BUF_INIT(1 << 20);
    enum status copied = buf_add(&want, p->body.data, p->body.len), s;
    int timeouts = 0;
    for (; (s = send_now(p)) == ERR_TIMEOUT && timeouts < 100; timeouts++)
        drain();
    drain();
    restore();
    CHECK_INT(copied, OK);
    CHECK_INT(s, OK);
    CHECK(timeouts > 1);
    CHECK_INT(got_len, want.len);
    CHECK(memcmp(got, want.data, want.len) == 0);
}

TEST(another_payload_behind_a_torn_one_starts_on_a_line_of_its_own)
{
    got_len = 0;
    redirect("false");
    struct payload *p = large();
    enum status torn = send_now(p);
    drain();
    enum status other = sink_run_send(&run, "other\n", 6);
    drain();
    size_t before = got_len;
    enum status again;
    for (int i = 0; (again = send_now(p)) == ERR_TIMEOUT && i < 100; i++)
        drain();
    drain();
    restore();
    CHECK_INT(torn, ERR_TIMEOUT);
    CHECK_INT(other, OK);
    CHECK(before < 300000 && memcmp(got + before - 7, "\nother\n", 7) == 0);
    CHECK_INT(again, OK);
    CHECK_INT(got_len, before + 300000); /* whole, from its start */
}

TEST(a_reader_that_went_is_an_io_error_and_no_signal)
{
    redirect("false");
    close(reader);
    reader = -1;
    enum status s = sink_run_send(&run, "one\n", 4);
    restore();
    CHECK_INT(s, ERR_IO);
    CHECK_STR(run.err.text, "standard output: Broken pipe");
}
