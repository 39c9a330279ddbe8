/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - a line is made whole, then written by one call. */
#include "log.h"

#include "burst.h"
#include "clock.h"
#include "hash.h"
#include "json_out.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

/* A pipe takes a line of PIPE_BUF bytes whole, and at once if poll says so. */
#define MAX_LINE PIPE_BUF
#define MAX_TEXT 1000 /* bytes of one field */
#define LEVELS   4

const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};
const char *const log_formats[] = {"logfmt", "json", NULL};

static _Atomic unsigned level_now = LOG_INFO, format_now = LOG_LOGFMT;
static _Atomic uint64_t written[LEVELS], suppressed;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static struct burst burst = BURST_INIT(LOG_BURST, LOG_BURST_NS);
static struct buf line = BUF_INIT(MAX_LINE);

void log_configure(enum log_level level, enum log_format format)
{
    level_now = level;
    format_now = format;
}

bool log_format_is(enum log_format format)
{
    return format_now == (unsigned)format;
}

uint64_t log_count(enum log_level level)
{
    return (unsigned)level < LEVELS ? written[level] : 0;
}

uint64_t log_suppressed(void)
{
    return suppressed;
}

static const struct log_field *first_field(const struct log_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fields[i].name)
            return &fields[i];
    return NULL;
}

static uint64_t key_of(const char *msg, const struct log_field *f)
{
    uint64_t high, low;
    struct span pieces[] = {{msg, strlen(msg)}, {NULL, 0}, {NULL, 0}};
    if (f) {
        pieces[1] = (struct span){f->name, strlen(f->name)};
        pieces[2] = f->text ? (struct span){f->text, strlen(f->text)}
                            : (struct span){(const char *)&f->number, sizeof f->number};
    }
    hash_pieces(pieces, ARRAY_LEN(pieces), &high, &low);
    return high;
}

static bool is_bare(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || *p == '=' || *p == '"' || *p == '\\')
            return false;
    return *text != '\0';
}

static enum status add_text(const char *text, enum log_format format)
{
    char cut[MAX_TEXT + 1];
    size_t n = strnlen(text, MAX_TEXT + 1);
    if (n > MAX_TEXT) {
        memcpy(cut, text, MAX_TEXT);
        memcpy(cut + MAX_TEXT - 3, "...", 4);
        text = cut;
    }
    return format == LOG_LOGFMT && is_bare(text) ? buf_puts(&line, text)
                                                 : json_out_quote(&line, text);
}

/* A field that does not fit is left out whole; room is kept for what closes the line. */
static void add_field(const struct log_field *f, enum log_format format)
{
    size_t mark = line.len;
    bool json = format == LOG_JSON;
    enum status r;
    if (json)
        r = buf_cat(&line, mark > 0 ? "," : "{", "\"", f->name, "\":", NULL);
    else
        r = buf_cat(&line, mark > 0 ? " " : "", f->name, "=", NULL);
    if (r == OK)
        r = f->text ? add_text(f->text, format) : buf_printf(&line, "%" PRId64, f->number);
    if (r != OK || line.len + 2 > MAX_LINE)
        buf_truncate(&line, mark);
}

static void make_line(enum log_level level, const char *msg, const struct log_field *fields,
                      size_t n, uint64_t kept)
{
    enum log_format format = (enum log_format)format_now;
    char now[CLOCK_TEXT + 1];
    clock_format(now, clock_wall_ms());
    buf_truncate(&line, 0);
    const struct log_field head[] = {LOG_S("time", now), LOG_S("level", log_levels[level]),
                                     LOG_S("msg", msg), LOG_I("repeated", kept)};
    for (size_t i = 0; i < ARRAY_LEN(head) - (kept == 0); i++)
        add_field(&head[i], format);
    for (size_t i = 0; i < n; i++)
        if (fields[i].name)
            add_field(&fields[i], format);
    if (buf_puts(&line, format == LOG_JSON ? "}\n" : "\n") != OK)
        abort(); /* add_field keeps two bytes */
}

/* False: nobody takes the line now.  Waiting would make a stuck reader of the log stop the
 * agent. */
static bool write_line(void)
{
    for (size_t at = 0; at < line.len;) {
        struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
        if (poll(&fd, 1, 0) != 1 || !(fd.revents & POLLOUT) || (fd.revents & POLLERR))
            return false;
        ssize_t n = write(STDERR_FILENO, line.data + at, line.len - at);
        if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields, size_t n)
{
    if ((unsigned)level > level_now)
        return;
    uint64_t key = key_of(msg, first_field(fields, n)), kept;
    pthread_mutex_lock(&lock);
    if (burst_pass(&burst, key, clock_mono_ns(), &kept)) {
        make_line(level, msg, fields, n, kept);
        if (write_line())
            written[level]++;
        else
            suppressed++;
    } else {
        suppressed++;
    }
    pthread_mutex_unlock(&lock);
}
