/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_client.c - payloads into a producer and back; the contract is in kafka_client.h. */
#include "kafka_client.h"

#include "hash.h"
#include "kafka_state.h"
#include "kafka_verdict.h"
#include "mem.h"

#include <poll.h>
#include <sys/eventfd.h>

#define FREE_NS (2 * SEC_NS) /* for what is given up to come back, and for a producer to end */

size_t kafka_client_room(size_t max_message)
{
    return max_message > (size_t)2 * KAFKA_ROOM ? max_message - KAFKA_ROOM : max_message / 2;
}

struct kafka_client *kafka_client_new(const struct kafka_conf *conf, struct sink_lane *lane)
{
    struct kafka_client *c = mem_alloc(sizeof *c);
    setting_copy(kafka_settings, &c->conf, conf);
    AUTO(buf) struct buf name = BUF_INIT(512);
    if (conf->client_id[0])
        c->name = mem_strdup(conf->client_id);
    else
        c->name =
            mem_strdup(buf_cat(&name, "strata-", lane->name, NULL) == OK ? name.data : "strata");
    char *slash = conf->client_id[0] ? NULL : strchr(c->name, '/');
    if (slash)
        *slash = '-';
    secret_init(&c->password, c->conf.sasl.password);
    secret_init(&c->token, c->conf.sasl.token);
    c->lane = lane;
    c->max_message = (size_t)conf->max_message;
    c->event_fd = -1;
    if (conf->compression == KAFKA_LZ4_FRAME)
        c->compressor = compressor_new(COMPRESS_LZ4);
    c->small = (struct buf)BUF_INIT(0);
    idmap_init(&c->topics);
    c->slots = mem_alloc((size_t)conf->in_flight * sizeof *c->slots);
    c->unused = mem_alloc((size_t)conf->in_flight * sizeof *c->unused);
    for (uint32_t i = 0; i < conf->in_flight; i++)
        c->unused[i] = i;
#ifdef __SANITIZE_THREAD__
    kafka_threads_use();
#endif
    return c;
}

/* c->unused[in_flight..] are the free slots. */
static struct payload **put(struct kafka_client *c, struct payload *p)
{
    struct payload **slot = &c->slots[c->unused[c->in_flight++]];
    *slot = p;
    return slot;
}

struct payload *kafka_client_take(struct kafka_client *c, struct payload **slot)
{
    struct payload *p = *slot;
    *slot = NULL;
    c->unused[--c->in_flight] = (uint32_t)(slot - c->slots);
    return p;
}

void kafka_client_resize(struct kafka_client *c, size_t max_message)
{
    c->max_message = max_message;
    c->shrunk_ns = max_message < (size_t)c->conf.max_message ? clock_mono_ns() : 0;
    c->lane->max_payload = kafka_client_room(max_message);
    c->spent = true;
}

/* Brokers may take more by now. */
static void grow(struct kafka_client *c)
{
    size_t most = (size_t)c->conf.max_message;
    if (c->shrunk_ns == 0 || c->whole || c->spent || clock_mono_ns() - c->shrunk_ns < KAFKA_GROW_NS)
        return;
    kafka_client_resize(c, c->max_message < most / KAFKA_SHRINK ? c->max_message * KAFKA_SHRINK
                                                                : most);
}

/* Takes in what the producer has to tell. */
static void hear(struct kafka_client *c)
{
    eventfd_t count;
    if (!c->rk)
        return;
    (void)eventfd_read(c->event_fd, &count);
    (void)rd_kafka_poll(c->rk, 0);
    if (c->down.status != OK && (clock_mono_ns() - c->down_ns > KAFKA_RENEW_NS ||
                                 kafka_files_changed(&c->files, &c->conf.tls)))
        c->spent = true;
    grow(c);
}

static enum status ready(struct kafka_client *c, struct err *err)
{
    if (c->rk && c->spent && c->in_flight == 0)
        kafka_producer_end(c);
    if (!c->rk)
        return kafka_producer_make(c, err);
    if (c->spent)
        return err_set(err, ERR_AGAIN, "the client begins anew");
    if (c->down.status != OK)
        return err_set(err, c->down.status, "%s", c->down.text);
    if (c->in_flight == (size_t)c->conf.in_flight || c->copied >= KAFKA_COPIES)
        return err_set(err, ERR_AGAIN, "%zu messages wait for their confirmation", c->in_flight);
    return OK;
}

/* The library remembers each topic as long as the producer lives. */
static void note_topic(struct kafka_client *c, const struct payload *p)
{
    uint64_t hash = hash_bytes(p->address.data, p->address.len);
    if (idmap_get(&c->topics, hash))
        return;
    idmap_put(&c->topics, hash, c);
    c->spent |= c->topics.len >= KAFKA_TOPICS_MAX;
}

static rd_kafka_headers_t *headers_of(const struct payload *p, const struct compress_body *body)
{
    struct payload_headers h;
    payload_headers(p, &h);
    rd_kafka_headers_t *to = rd_kafka_headers_new(PAYLOAD_HEADERS + 1);
    for (size_t i = 0; i < PAYLOAD_HEADERS; i++)
        if (h.items[i].value)
            (void)rd_kafka_header_add(to, h.items[i].name, -1, h.items[i].value, -1);
    for (const char *const *own = p->headers; own && *own; own++) {
        struct payload_header o = payload_header_split(*own);
        (void)rd_kafka_header_add(to, o.name.data, (ssize_t)o.name.len, o.value, -1);
    }
    if (body->encoding)
        (void)rd_kafka_header_add(to, "Content-Encoding", -1, body->encoding, -1);
    return to;
}

static enum status produce(struct kafka_client *c, struct payload *p, struct err *err)
{
    struct compress_body body = compress_smaller(c->compressor, p, &c->small);
    rd_kafka_headers_t *headers = headers_of(p, &body);
    struct payload **slot = put(c, p);
    int flags = body.encoding ? RD_KAFKA_MSG_F_COPY : 0;
    rd_kafka_resp_err_t e = rd_kafka_producev(
        c->rk, RD_KAFKA_V_TOPIC(p->address.data), RD_KAFKA_V_KEY(p->key.data, p->key.len),
        RD_KAFKA_V_VALUE((void *)body.bytes.data, body.bytes.len), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_TIMESTAMP(p->due_ms), RD_KAFKA_V_MSGFLAGS(flags), RD_KAFKA_V_OPAQUE(slot),
        RD_KAFKA_V_END);
    if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
        c->copied += body.encoding ? body.bytes.len : 0;
        return OK;
    }
    rd_kafka_headers_destroy(headers);
    (void)kafka_client_take(c, slot);
    enum status s = kafka_verdict(e, RD_KAFKA_MSG_STATUS_NOT_PERSISTED);
    return err_set(err, s, "topic %.60s: %.90s%s", p->address.data, rd_kafka_err2str(e),
                   kafka_hint(e));
}

enum status kafka_client_send(struct kafka_client *c, struct payload *p, struct err *err)
{
    if (p->address.len == 0)
        return err_set(err, ERR_INVALID, "a message without a topic");
    hear(c);
    enum status s = ready(c, err);
    if (s != OK)
        return s;
    note_topic(c, p);
    c->whole |= p->samples > 1 && p->marks.len <= 1;
    return produce(c, p, err);
}

enum status kafka_client_work(struct kafka_client *c, int wake_fd, int64_t deadline_ns)
{
    for (;;) {
        hear(c);
        int64_t left = deadline_ns - clock_mono_ns();
        left = left > 0 ? left : 0;
        struct timespec t = {.tv_sec = (time_t)(left / SEC_NS), .tv_nsec = (long)(left % SEC_NS)};
        struct pollfd fds[] = {{.fd = wake_fd, .events = POLLIN},
                               {.fd = c->event_fd, .events = POLLIN}};
        int n = ppoll(fds, ARRAY_LEN(fds), &t, NULL);
        if (fds[0].revents)
            return OK;
        if (n <= 0)
            return ERR_TIMEOUT;
    }
}

/* In slices: messages that linger go at once, and their reports are taken in meanwhile. */
enum status kafka_client_flush(struct kafka_client *c, int64_t deadline_ns, struct err *err)
{
    int64_t left;
    while (c->rk && c->in_flight > 0 && (left = deadline_ns - clock_mono_ns()) > 0) {
        (void)rd_kafka_flush(c->rk, (int)(left < 50 * MS_NS ? left / MS_NS + 1 : 50));
        hear(c);
    }
    return c->in_flight == 0
               ? OK
               : err_set(err, ERR_TIMEOUT, "%zu messages are not confirmed", c->in_flight);
}

void kafka_client_explain(struct kafka_client *c, struct err *err)
{
    if (c->last_end.status != OK)
        *err = c->last_end;
}

void kafka_client_free(struct kafka_client *c)
{
    if (!c)
        return;
    c->closing = true;
    int64_t until_ns = clock_mono_ns() + FREE_NS;
    if (c->rk && c->in_flight > 0)
        (void)rd_kafka_purge(c->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                        RD_KAFKA_PURGE_F_NON_BLOCKING);
    while (c->rk && c->in_flight > 0 && clock_mono_ns() < until_ns)
        (void)rd_kafka_poll(c->rk, 10);
    kafka_producer_end(c);
    kafka_producer_join(c, FREE_NS);
    idmap_done(&c->topics);
    compressor_free(c->compressor);
    buf_done(&c->small);
    secret_done(&c->password);
    secret_done(&c->token);
    setting_done(kafka_settings, &c->conf);
    mem_free(c->slots);
    mem_free(c->unused);
    mem_free(c->name);
    mem_free(c);
}
