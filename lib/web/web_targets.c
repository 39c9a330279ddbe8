/* SPDX-License-Identifier: Apache-2.0 */
/* web_targets.c - GET /targets: each target and how its last scrape went, as JSON. */
#include "web.h"

#include "candidates.h"
#include "clock.h"
#include "health.h"
#include "json_out.h"

static double seconds(int64_t ns)
{
    return (double)ns / (double)SEC_NS;
}

static void write_error(struct json_out *j, const char *key, const struct err *err)
{
    json_out_string(j, key, err->status == OK ? NULL : err->text);
}

static void write_labels(struct json_out *j, const struct target *t)
{
    json_out_open(j, "labels", '{');
    for (size_t i = 0; i < t->labels_len; i++)
        json_out_string(j, t->labels[i].name, t->labels[i].value);
    json_out_close(j, '}');
}

/* What the last good scrape refused first: reason and name. */
static void write_named(struct json_out *j, const struct target_shown *s)
{
    json_out_open(j, "refused_names", '[');
    for (size_t i = 0; i < s->named_len; i++) {
        char text[PAGE_NAMED_TEXT + 40];
        snprintf(text, sizeof text, "%s: %s", page_refusal_name(s->named[i].why), s->named[i].name);
        json_out_string(j, NULL, text);
    }
    json_out_close(j, ']');
}

static void write_target(struct json_out *j, const struct registry_entry *e)
{
    const struct target *t = e->target;
    const struct target_shown s = target_state_shown(e->state);
    AUTO(buf) struct buf url = BUF_INIT(HEALTH_URL_MAX);
    json_out_open(j, NULL, '{');
    json_out_string(j, "id", health_url(t->id, &url));
    json_out_string(j, "url", health_url(t->url, &url));
    json_out_string(j, "pool", t->pool);
    json_out_string(j, "source", t->source);
    write_labels(j, t);
    if (strncmp(t->url, "https:", 6) == 0)
        json_out_bool(j, "tls_verified", health_verifies_tls(t));
    json_out_string(j, "health", health_name(s.health));
    json_out_double(j, "interval_seconds", seconds(t->interval_ns));
    json_out_double(j, "timeout_seconds", seconds(t->timeout_ns));
    json_out_time(j, "next_due", e->next_due_ms);
    json_out_time(j, "last_scrape", s.scraped_ms);
    json_out_double(j, "duration_seconds", seconds(s.duration_ns));
    json_out_uint(j, "scrapes", s.scrapes);
    json_out_uint(j, "failures", s.failures);
    json_out_uint(j, "samples", s.samples);
    json_out_uint(j, "samples_post_filter", s.samples_post_filter);
    json_out_uint(j, "series", s.series);
    json_out_uint(j, "body_bytes", s.body_bytes);
    json_out_uint(j, "lines_bad", s.lines_bad);
    json_out_uint(j, "samples_refused", s.refused);
    json_out_uint(j, "flaws", s.flaws);
    json_out_string(j, "last_failure",
                    s.last_error.status == OK ? NULL : scrape_failure_name(s.failure));
    write_error(j, "last_error", &s.last_error);
    write_error(j, "first_bad_line", &s.first_bad);
    write_error(j, "first_refused", &s.first_refused);
    write_error(j, "first_flaw", &s.first_flaw);
    write_named(j, &s);
    json_out_close(j, '}');
}

/* Lines of a text as strings. */
static void write_refused(struct json_out *j, const char *lines)
{
    json_out_open(j, "refused", '[');
    while (lines && *lines && j->status == OK) {
        char line[1024];
        size_t len = strcspn(lines, "\n"), n = len < sizeof line ? len : sizeof line - 1;
        memcpy(line, lines, n);
        line[n] = '\0';
        json_out_string(j, NULL, line);
        lines += len + (lines[len] == '\n');
    }
    json_out_close(j, ']');
}

enum status web_targets(const struct view *v, struct buf *out)
{
    struct json_out j = JSON_OUT(out);
    json_out_open(&j, NULL, '{');
    json_out_open(&j, "targets", '[');
    for (size_t i = 0; i < v->targets_len && j.status == OK; i++)
        write_target(&j, &v->targets[i]);
    json_out_close(&j, ']');
    write_refused(&j, v->refused_targets);
    candidates_write(&j, v->candidates, v->others, v->others_len);
    json_out_string(&j, "candidates_error", v->candidates_error);
    json_out_close(&j, '}');
    if (j.status == OK)
        j.status = buf_puts(out, "\n");
    return j.status;
}
