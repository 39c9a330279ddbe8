/* SPDX-License-Identifier: Apache-2.0 */
/* kafka.c - publishes payloads to Kafka. */
#include "kafka_client.h"
#include "kafka_props.h"
#include "mem.h"
#include "template.h"

#define MESSAGE_BYTES 1024 /* that the library remembers a message with */

struct kafka_sink {
    struct template *topic;
    struct kafka_client *client;
};

static enum status kafka_open(void **ret_self, const void *conf, struct sink_lane *lane,
                              struct err *err)
{
    const struct kafka_conf *c = conf;
    enum status s = kafka_conf_check(c, err);
    if (s != OK)
        return s;
    s = kafka_props_try(c, err);
    if (s != OK)
        return s;
    struct template *topic;
    s = template_new(&topic, c->topic, "unknown", kafka_topic_legal, err);
    if (s != OK)
        return err_wrap(err, s, "topic");
    struct kafka_sink *self = mem_alloc(sizeof *self);
    self->topic = topic;
    lane->window = (size_t)c->in_flight;
    lane->max_payload = kafka_client_room((size_t)c->max_message);
    self->client = kafka_client_new(c, lane);
    *ret_self = self;
    return OK;
}

static enum status kafka_render(const void *self, const struct target *t, struct buf *out)
{
    const struct kafka_sink *k = self;
    size_t before = out->len;
    enum status s = template_render(k->topic, t, out);
    return s == OK && out->len - before > KAFKA_TOPIC_MAX ? ERR_LIMIT : s;
}

static enum status kafka_send(void *self, struct payload *p, int64_t deadline_ns, struct err *err)
{
    struct kafka_sink *k = self;
    (void)deadline_ns; /* nothing waits */
    return kafka_client_send(k->client, p, err);
}

static enum status kafka_work(void *self, int wake_fd, int64_t deadline_ns)
{
    struct kafka_sink *k = self;
    return kafka_client_work(k->client, wake_fd, deadline_ns);
}

static enum status kafka_flush(void *self, int64_t deadline_ns, struct err *err)
{
    struct kafka_sink *k = self;
    return kafka_client_flush(k->client, deadline_ns, err);
}

static void kafka_explain(void *self, struct err *err)
{
    struct kafka_sink *k = self;
    kafka_client_explain(k->client, err);
}

static void kafka_close(void *self)
{
    struct kafka_sink *k = self;
    kafka_client_free(k->client);
    template_free(k->topic);
    mem_free(k);
}

/* Messages are not copied, but for those that the sink compresses; a batch is, once more when it is
 * compressed. */
static size_t kafka_reserve(const void *conf, size_t max_message)
{
    const struct kafka_conf *c = conf;
    size_t batch = (size_t)c->batch > max_message ? (size_t)c->batch : max_message;
    size_t small = c->compression == KAFKA_LZ4_FRAME ? KAFKA_COPIES + 2 * max_message : 0;
    return (size_t)c->in_flight * MESSAGE_BYTES + 2 * batch + small;
}

static bool kafka_wants_lz4(const void *conf)
{
    const struct kafka_conf *c = conf;
    return c->compression == KAFKA_LZ4_FRAME;
}

const struct sink_ops sink_kafka = {
    .name = "kafka",
    .help = "publishes to Kafka",
    .settings = kafka_settings,
    .conf_size = sizeof(struct kafka_conf),
    .max_payload = KAFKA_MAX_MESSAGE - KAFKA_ROOM,
    .check = kafka_conf_report,
    .open = kafka_open,
    .reserve = kafka_reserve,
    .wants_lz4 = kafka_wants_lz4,
    .render = kafka_render,
    .send = kafka_send,
    .work = kafka_work,
    .flush = kafka_flush,
    .explain = kafka_explain,
    .close = kafka_close,
};
