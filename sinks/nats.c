/* SPDX-License-Identifier: Apache-2.0 */
/* nats.c - publishes payloads to NATS, into a JetStream stream or as core messages. */
#include "compress.h"
#include "mem.h"
#include "nats_link.h"
#include "template.h"

#define SUBJECT_MAX  1024 /* the server takes 4096 bytes of subject, reply and sizes */
#define BUFFER_BYTES ((size_t)64 << 10) /* of a connection, to read and to write */

struct nats_sink {
    struct template *subject;
    struct nats_link *link;
};

/* Of a label's value in a subject. */
static bool is_legal(unsigned char c)
{
    return c > ' ' && c != 0x7f && c != '.' && c != '*' && c != '>';
}

static enum status nats_open(void **ret_self, const void *conf, struct sink_lane *lane,
                             struct err *err)
{
    const struct nats_conf *c = conf;
    enum status s = nats_conf_check(c, err);
    if (s != OK)
        return s;
    struct template *subject;
    s = template_new(&subject, c->subject, "unknown", is_legal, err);
    if (s != OK)
        return err_wrap(err, s, "subject");
    struct nats_sink *self = mem_alloc(sizeof *self);
    self->subject = subject;
    lane->window = (size_t)c->in_flight;
    lane->duplicate_window_ns = c->jetstream.stream[0] ? c->jetstream.duplicate_window : 0;
    self->link = nats_link_new(c, lane);
    *ret_self = self;
    return OK;
}

static enum status nats_render(const void *self, const struct target *t, struct buf *out)
{
    const struct nats_sink *n = self;
    size_t before = out->len;
    enum status s = template_render(n->subject, t, out);
    return s == OK && out->len - before > SUBJECT_MAX ? ERR_LIMIT : s;
}

static enum status nats_send(void *self, struct payload *p, int64_t deadline_ns, struct err *err)
{
    struct nats_sink *n = self;
    return nats_link_send(n->link, p, deadline_ns, err);
}

static enum status nats_work(void *self, int wake_fd, int64_t deadline_ns)
{
    struct nats_sink *n = self;
    return nats_link_work(n->link, wake_fd, deadline_ns);
}

static enum status nats_flush(void *self, int64_t deadline_ns, struct err *err)
{
    struct nats_sink *n = self;
    return nats_link_flush(n->link, deadline_ns, err);
}

static void nats_explain(void *self, struct err *err)
{
    struct nats_sink *n = self;
    nats_link_explain(n->link, err);
}

static void nats_close(void *self)
{
    struct nats_sink *n = self;
    nats_link_free(n->link);
    template_free(n->subject);
    mem_free(n);
}

/* A message is copied to be sent, into the buffer of the connection too, and compressed before. */
static size_t nats_reserve(const void *conf, size_t max_message)
{
    (void)conf;
    return 3 * max_message + BUFFER_BYTES;
}

static bool nats_wants_lz4(const void *conf)
{
    const struct nats_conf *c = conf;
    return compress_named(nats_compressions[c->compression]) == COMPRESS_LZ4;
}

const struct sink_ops sink_nats = {
    .name = "nats",
    .help = "publishes to NATS, into a JetStream stream or as core messages",
    .settings = nats_settings,
    .conf_size = sizeof(struct nats_conf),
    .max_payload = (1 << 20) - NATS_HEADER_ROOM,
    .check = nats_conf_report,
    .open = nats_open,
    .reserve = nats_reserve,
    .wants_lz4 = nats_wants_lz4,
    .render = nats_render,
    .send = nats_send,
    .work = nats_work,
    .flush = nats_flush,
    .explain = nats_explain,
    .close = nats_close,
};
