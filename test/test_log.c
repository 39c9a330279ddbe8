/* SPDX-License-Identifier: Apache-2.0 */
/* test_log.c - lines as they come out of standard error, which a pipe stands in for. */
#include "err.h"
#include "log.h"
#include "test.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <unistd.h>

static int real, from;

static void catch_begin(void)
{
    int fds[2];
    fflush(stderr);
    if (pipe2(fds, O_CLOEXEC) != 0)
        abort();
    real = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    from = fds[0];
    fcntl(from, F_SETFL, O_NONBLOCK);
}

/* All lines since catch_begin, without their times: 'time=...Z ' is 30 bytes. */
static const char *catch_end(void)
{
    static char text[1 << 17];
    size_t len = 0;
    for (ssize_t n; (n = read(from, text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)n;
    text[len] = '\0';
    dup2(real, STDERR_FILENO);
    close(real);
    close(from);
    return text;
}

static const char *behind_time(const char *line)
{
    const char *p = strstr(line, "Z ");
    return strncmp(line, "time=20", 7) == 0 && p ? p + 2 : line;
}

static size_t lines_in(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

TEST(a_line_is_logfmt)
{
    struct err err = {.text = "no \"route\""};
    catch_begin();
    log_warn("peer does not answer", LOG_S("sink", "queue"), LOG_I("pending", 7),
             LOG_S("error", err.text), LOG_S("none", NULL), LOG_S("eq", "a=b"),
             LOG_S("two", "a\nb"), LOG_S("plain", "nats://127.0.0.1:4222/x"));
    CHECK_STR(behind_time(catch_end()),
              "level=warn msg=\"peer does not answer\" sink=queue pending=7 "
              "error=\"no \\\"route\\\"\" none=\"\" eq=\"a=b\" two=\"a\\nb\" "
              "plain=nats://127.0.0.1:4222/x\n");
}

TEST(a_line_without_fields_is_fine)
{
    catch_begin();
    log_error("ready");
    CHECK_STR(behind_time(catch_end()), "level=error msg=ready\n");
}

TEST(a_line_is_json_when_asked)
{
    log_configure(LOG_INFO, LOG_JSON);
    catch_begin();
    log_info("peer is \"back\"", LOG_S("sink", "queue"), LOG_I("pending", -7));
    const char *got = catch_end();
    log_configure(LOG_INFO, LOG_LOGFMT);
    CHECK(strncmp(got, "{\"time\":\"20", 11) == 0);
    CHECK_STR(strstr(got, "Z\"") + 2, ",\"level\":\"info\",\"msg\":\"peer is \\\"back\\\"\","
                                      "\"sink\":\"queue\",\"pending\":-7}\n");
}

TEST(levels_below_the_configured_one_are_silent)
{
    uint64_t before = log_count(LOG_DEBUG), kept = log_suppressed();
    catch_begin();
    log_debug("quiet");
    log_configure(LOG_DEBUG, LOG_LOGFMT);
    log_debug("loud");
    log_configure(LOG_ERROR, LOG_LOGFMT);
    log_warn("quiet");
    log_configure(LOG_INFO, LOG_LOGFMT);
    CHECK_STR(behind_time(catch_end()), "level=debug msg=loud\n");
    CHECK_INT(log_count(LOG_DEBUG), before + 1);
    CHECK_INT(log_suppressed(), kept);
}

TEST(equal_events_are_written_a_few_times_only)
{
    uint64_t before = log_count(LOG_INFO), kept = log_suppressed();
    catch_begin();
    for (int i = 0; i < 3 * LOG_BURST; i++)
        log_info("again", LOG_S("sink", "a"), LOG_I("try", i));
    log_info("again", LOG_S("sink", "b"));
    log_info("again", LOG_I("sink", 1));
    log_info("again", LOG_I("sink", 2));
    log_info("other", LOG_S("sink", "a"));
    CHECK_INT(lines_in(catch_end()), LOG_BURST + 4);
    CHECK_INT(log_count(LOG_INFO), before + LOG_BURST + 4);
    CHECK_INT(log_suppressed(), kept + 2 * LOG_BURST);
}

TEST(a_long_text_is_cut_and_a_line_has_a_bound)
{
    static char text[5000];
    memset(text, 'x', sizeof text - 1);
    catch_begin();
    log_error("long", LOG_S("a", text), LOG_S("b", text), LOG_S("c", text), LOG_S("d", text),
              LOG_S("e", text), LOG_I("last", 1));
    const char *got = catch_end();
    CHECK(strlen(got) <= PIPE_BUF && lines_in(got) == 1);
    CHECK(strstr(got, "xxx... b=xxx") && strstr(got, " d=xxx") && !strstr(got, " e=xxx"));
    CHECK_STR(strstr(got, " last"), " last=1\n");
}

TEST(a_reader_that_is_stuck_or_gone_costs_lines_and_no_time)
{
    uint64_t before = log_count(LOG_ERROR), kept = log_suppressed();
    static char text[1000];
    memset(text, 'x', sizeof text - 1);
    catch_begin();
    for (int i = 0; i < 1000; i++)
        log_error("flood", LOG_I("number", i), LOG_S("text", text));
    CHECK(lines_in(catch_end()) < 200);
    uint64_t done = log_count(LOG_ERROR) - before;
    CHECK(done > 0 && done < 200);
    CHECK_INT(done + log_suppressed() - kept, 1000);

    catch_begin();
    close(from);
    from = open("/dev/null", O_RDONLY);
    log_error("nobody reads"); /* and no SIGPIPE */
    catch_end();
    CHECK_INT(log_suppressed() - kept, 1000 - done + 1);
}

static void *write_many(void *arg)
{
    for (int i = 0; i < 50; i++)
        log_info("from a thread", LOG_I("number", (int64_t)(intptr_t)arg + i), LOG_S("x", "y"));
    return NULL;
}

TEST(lines_of_many_threads_stay_whole)
{
    pthread_t threads[4];
    catch_begin();
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_create(&threads[i], NULL, write_many, (void *)(intptr_t)(i * 1000));
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    size_t n = 0;
    for (const char *p = catch_end(); *p; p = strchr(p, '\n') + 1, n++)
        CHECK(strncmp(behind_time(p), "level=info msg=\"from a thread\" number=", 38) == 0);
    CHECK_INT(n, 200);
}
