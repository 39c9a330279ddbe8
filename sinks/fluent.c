/* SPDX-License-Identifier: Apache-2.0 */
/* fluent.c - sends messages of the Forward protocol to Fluentd, Fluent Bit and their like. */
#include "fluent_link.h"

static const char *const encoders[] = {"fluent", NULL};

static enum status fluent_open(void **ret_self, const void *conf, struct sink_lane *lane,
                               struct err *err)
{
    struct err first = {OK, ""};
    struct setting_report report = setting_report_first(&first);
    fluent_conf_report(conf, &report);
    if (first.status != OK)
        return err_set(err, first.status, "%s", first.text);
    *ret_self = fluent_link_new(conf, lane);
    return OK;
}

static enum status fluent_send(void *self, struct payload *p, int64_t deadline_ns, struct err *err)
{
    return fluent_link_send(self, p, deadline_ns, err);
}

static enum status fluent_work(void *self, int wake_fd, int64_t deadline_ns)
{
    return fluent_link_work(self, wake_fd, deadline_ns);
}

static enum status fluent_flush(void *self, int64_t deadline_ns, struct err *err)
{
    return fluent_link_flush(self, deadline_ns, err);
}

static void fluent_explain(void *self, struct err *err)
{
    fluent_link_explain(self, err);
}

static void fluent_close(void *self)
{
    fluent_link_free(self);
}

static size_t fluent_reserve(const void *conf, size_t max_message)
{
    (void)max_message; /* messages are not copied */
    return fluent_link_bytes(conf);
}

const struct sink_ops sink_fluent = {
    .name = "fluent",
    .help = "sends to servers of the Forward protocol (Fluentd, Fluent Bit)",
    .settings = fluent_settings,
    .conf_size = sizeof(struct fluent_conf),
    .max_payload = 16 << 20,
    .encoders = encoders,
    .check = fluent_conf_report,
    .open = fluent_open,
    .reserve = fluent_reserve,
    .send = fluent_send,
    .work = fluent_work,
    .flush = fluent_flush,
    .explain = fluent_explain,
    .close = fluent_close,
};
