/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - sends payloads to an HTTP server, each as a request of its own. */
#include "http_out.h"
#include "mem.h"

#define REQUEST_BYTES ((size_t)96 << 10) /* buffers of libcurl */

struct http_sink {
    struct template *url; /* NULL: it is the same for all */
    struct http_out *out;
};

static enum status http_open(void **ret_self, const void *conf, struct sink_lane *lane,
                             struct err *err)
{
    const struct http_sink_conf *c = conf;
    struct err first = {OK, ""};
    struct setting_report report = setting_report_first(&first);
    http_sink_check(c, &report);
    if (first.status != OK)
        return err_set(err, first.status, "%s", first.text);
    struct http_sink *self = mem_alloc(sizeof *self);
    enum status s = http_sink_template(&self->url, c->url, err);
    if (s == OK)
        s = http_out_new(&self->out, c, lane, err);
    if (s != OK) {
        template_free(self->url);
        mem_free(self);
        return s;
    }
    lane->window = (size_t)c->connections;
    lane->duplicate_window_ns = c->duplicate_window;
    *ret_self = self;
    return OK;
}

static enum status http_render(const void *self, const struct target *t, struct buf *out)
{
    const struct http_sink *h = self;
    return h->url ? http_sink_render(h->url, t, out) : OK;
}

static enum status http_send(void *self, struct payload *p, int64_t deadline_ns, struct err *err)
{
    struct http_sink *h = self;
    (void)deadline_ns; /* nothing here waits */
    return http_out_send(h->out, p, err);
}

static enum status http_work(void *self, int wake_fd, int64_t deadline_ns)
{
    struct http_sink *h = self;
    return http_out_run(h->out, wake_fd, deadline_ns);
}

static enum status http_flush(void *self, int64_t deadline_ns, struct err *err)
{
    struct http_sink *h = self;
    return http_out_flush(h->out, deadline_ns, err);
}

static void http_explain(void *self, struct err *err)
{
    struct http_sink *h = self;
    http_out_explain(h->out, err);
}

static void http_close(void *self)
{
    struct http_sink *h = self;
    http_out_free(h->out);
    template_free(h->url);
    mem_free(h);
}

/* Bodies are not copied, but for those that are compressed. */
static size_t http_reserve(const void *conf, size_t max_message)
{
    const struct http_sink_conf *c = conf;
    size_t small = c->compression ? max_message : 0;
    return (size_t)c->connections * (small + REQUEST_BYTES);
}

const struct sink_ops sink_http = {
    .name = "http",
    .help = "sends each message as a request to an HTTP server",
    .settings = http_sink_settings,
    .conf_size = sizeof(struct http_sink_conf),
    .max_payload = 64 << 20,
    .check = http_sink_check,
    .open = http_open,
    .reserve = http_reserve,
    .render = http_render,
    .send = http_send,
    .work = http_work,
    .flush = http_flush,
    .explain = http_explain,
    .close = http_close,
};
