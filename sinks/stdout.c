/* SPDX-License-Identifier: Apache-2.0 */
/* stdout.c - writes payloads to standard output; for trying things out. */
#include "mem.h"
#include "sink.h"

struct stdout_conf {
    bool header;
};

struct stdout_sink {
    bool header;
};

static const struct setting settings[] = {
    SETTING_BOOL(stdout_conf, header, "false", "print key and size before each payload"),
    SETTING_END};

static enum status stdout_open(void **ret_self, const void *conf, struct sink_lane *lane,
                               struct err *err)
{
    (void)lane;
    (void)err;
    const struct stdout_conf *c = conf;
    struct stdout_sink *self = mem_alloc(sizeof *self);
    self->header = c->header;
    *ret_self = self;
    return OK;
}

static enum status stdout_send(void *self, struct payload *p, int64_t deadline_ns, struct err *err)
{
    (void)deadline_ns;
    struct stdout_sink *c = self;
    if (c->header)
        printf("# %s %zu bytes\n", p->key.data, p->body.len);
    if (fwrite(p->body.data, 1, p->body.len, stdout) < p->body.len || fflush(stdout) != 0)
        return err_set(err, ERR_IO, "stdout: cannot write to standard output");
    payload_end(p, OK);
    return OK;
}

const struct sink_ops sink_stdout = {
    .name = "stdout",
    .help = "writes to standard output",
    .settings = settings,
    .conf_size = sizeof(struct stdout_conf),
    .max_payload = 1 << 20,
    .open = stdout_open,
    .send = stdout_send,
    .close = mem_free,
};
