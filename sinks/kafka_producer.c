/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_producer.c - begins and ends producers of librdkafka; the contract is in kafka_state.h. */
#include "kafka_props.h"
#include "kafka_state.h"
#include "mem.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A producer to be ended, and the bodies it may still look at until then. */
struct remains {
    rd_kafka_t *rk;
    int event_fd;
    struct buf *bodies;
    size_t len;
};

/* A secret that is not there is nothing that a payload is to be blamed for. */
static enum status password_of(struct kafka_client *c, const char **ret, struct err *err)
{
    *ret = NULL;
    if (!kafka_has_sasl(&c->conf) || c->conf.sasl.mechanism == KAFKA_OAUTHBEARER)
        return OK;
    enum status s = secret_get(&c->password, ret, err);
    return s == OK || status_retryable(s) ? s : err_set(err, ERR_DENIED, "%s", err->text);
}

/* A descriptor that is readable when the producer has something to tell. */
static void watch(struct kafka_client *c)
{
    const uint64_t one = 1;
    rd_kafka_queue_t *q = rd_kafka_queue_get_main(c->rk);
    rd_kafka_queue_io_event_enable(q, c->event_fd, &one, sizeof one);
    rd_kafka_queue_destroy(q);
}

static void unwatch(rd_kafka_t *rk)
{
    rd_kafka_queue_t *q = rd_kafka_queue_get_main(rk);
    rd_kafka_queue_io_event_enable(q, -1, NULL, 0);
    rd_kafka_queue_destroy(q);
}

enum status kafka_producer_make(struct kafka_client *c, struct err *err)
{
    const char *password;
    char text[240];
    rd_kafka_conf_t *conf;
    struct err words = {.text = ""};
    enum status s = password_of(c, &password, &words);
    if (s != OK)
        return err_set(err, s, "%s", words.text);
    const struct kafka_props props = {&c->conf, c->name, password, c->max_message};
    if (kafka_props_make(&conf, &props, &words) != OK)
        return err_set(err, ERR_DENIED, "%s", words.text);
    kafka_events_set(conf, c);
    kafka_files_note(&c->files, &c->conf.tls);
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    rd_kafka_t *rk = fd < 0 ? NULL : rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        if (fd < 0)
            return err_set(err, ERR_IO, "no descriptor: %s", strerror(errno));
        close(fd);
        return err_set(err, ERR_DENIED, "%s", text);
    }
    c->rk = rk;
    c->event_fd = fd;
    c->ever_up = c->spent = false;
    c->fault.status = c->down.status = OK;
    c->stats_us = 0;
    c->retries = 0;
    watch(c);
    return OK;
}

static void *bury(void *arg)
{
    struct remains *r = arg;
    rd_kafka_destroy(r->rk);
    close(r->event_fd);
    for (size_t i = 0; i < r->len; i++)
        buf_done(&r->bodies[i]);
    mem_free(r->bodies);
    mem_free(r);
    return NULL;
}

void kafka_producer_join(struct kafka_client *c, int64_t wait_ns)
{
    if (!c->has_undertaker)
        return;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    int64_t ns = until.tv_nsec + wait_ns;
    until.tv_sec += ns / SEC_NS;
    until.tv_nsec = ns % SEC_NS;
    if (pthread_timedjoin_np(c->undertaker, NULL, &until) != 0)
        pthread_detach(c->undertaker);
    c->has_undertaker = false;
}

static void end_all(struct kafka_client *c, struct remains *r)
{
    if (c->in_flight > 0)
        r->bodies = mem_alloc(c->in_flight * sizeof *r->bodies);
    for (size_t i = 0; c->in_flight > 0; i++) {
        if (!c->slots[i])
            continue;
        struct payload *p = kafka_client_take(c, &c->slots[i]);
        struct buf body = BUF_INIT(p->body.max);
        if (buf_add(&body, p->body.data, p->body.len) != OK)
            abort(); /* cannot be: it is as long as it was */
        r->bodies[r->len++] =
            p->body; /* the library may still read it; the queue on disk wants one */
        p->body = body;
        payload_end(p, ERR_CLOSED);
    }
    c->copied = 0;
}

void kafka_producer_end(struct kafka_client *c)
{
    if (!c->rk)
        return;
    struct remains *r = mem_alloc(sizeof *r);
    *r = (struct remains){.rk = c->rk, .event_fd = c->event_fd};
    unwatch(c->rk);
    c->rk = NULL;
    c->event_fd = -1;
    end_all(c, r);
    c->lane->connected = false;
    idmap_done(&c->topics);
    idmap_init(&c->topics);
    kafka_producer_join(c, 0);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    c->has_undertaker = pthread_create(&c->undertaker, NULL, bury, r) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!c->has_undertaker)
        bury(r);
}
