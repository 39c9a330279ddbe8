/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - what happened, as logfmt or JSON lines on standard error.
 *
 *     log_warn("peer does not answer", LOG_S("sink", name), LOG_I("pending", n));
 *
 *     time=2026-11-21T10:00:00.123Z level=warn msg="peer does not answer" sink=queue pending=7
 *
 * Only cmd/ and the thread loops log; everything else returns (err.h).  msg is a literal
 * without data, so that equal events have equal texts.  Of one msg with one first field
 * at most LOG_BURST lines are written in LOG_BURST_NS; the next one written carries
 * repeated=N, how many were kept back.  Secrets never go in.  Any thread.
 *
 * A line has at most PIPE_BUF bytes: a longer text is cut, a field that does not fit is left
 * out.  Nobody waits for who reads the log: a line that standard error does not take at
 * once is lost, and counted as suppressed.  */
#ifndef LOG_H
#define LOG_H

#include "base.h"

#define LOG_BURST    5
#define LOG_BURST_NS (10 * INT64_C(1000000000))

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_field {
    const char *name; /* NULL: no field */
    const char *text; /* NULL: the number counts */
    int64_t number;
};

#define LOG_S(name_, text_)   log_text(name_, text_) /* NULL: "" */
#define LOG_I(name_, number_) ((struct log_field){.name = (name_), .number = (int64_t)(number_)})

static inline struct log_field log_text(const char *name, const char *text)
{
    return (struct log_field){.name = name, .text = text ? text : ""};
}

/* Words of enum log_level and enum log_format, ended by NULL; for settings. */
extern const char *const log_levels[];
extern const char *const log_formats[];

/* info and logfmt until called.  Any time, any thread. */
void log_configure(enum log_level level, enum log_format format);
bool log_format_is(enum log_format format); /* whether lines are written so; any thread */

void log_write(enum log_level level, const char *msg, const struct log_field *fields, size_t n);

#define LOG_WRITE_(level, msg, ...)                                                  \
    log_write(level, msg, (const struct log_field[]){{.name = NULL}, ##__VA_ARGS__}, \
              sizeof((const struct log_field[]){{.name = NULL}, ##__VA_ARGS__}) /    \
                  sizeof(struct log_field))
#define log_error(msg, ...) LOG_WRITE_(LOG_ERROR, msg, ##__VA_ARGS__)
#define log_warn(msg, ...)  LOG_WRITE_(LOG_WARN, msg, ##__VA_ARGS__)
#define log_info(msg, ...)  LOG_WRITE_(LOG_INFO, msg, ##__VA_ARGS__)
#define log_debug(msg, ...) LOG_WRITE_(LOG_DEBUG, msg, ##__VA_ARGS__)

/* Lines written, and those kept back or lost, since start; for /metrics. */
uint64_t log_count(enum log_level level);
uint64_t log_suppressed(void);

#endif
