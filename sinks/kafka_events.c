/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_events.c - what librdkafka tells: reports, errors, statistics, that it wants a token. */
#include "kafka_props.h"
#include "kafka_state.h"
#include "kafka_stats.h"
#include "kafka_verdict.h"
#include "mem.h"

#define LEAST_MESSAGE 1024 /* of max_message, where brokers take little */

/* The brokers have refused a batch for its size.  A message that cannot be cut, and may have been
 * refused only for its company, comes again; the others are cut, for it does no harm. */
static enum status shrink(struct kafka_client *c, const struct payload *p, size_t sent)
{
    if (!c->spent && c->max_message > LEAST_MESSAGE) {
        size_t next = c->max_message / KAFKA_SHRINK;
        kafka_client_resize(c, next > LEAST_MESSAGE ? next : LEAST_MESSAGE);
    } else if (!c->spent) {
        return ERR_LIMIT;
    }
    size_t room = c->lane->max_payload;
    return sent > (p->marks.len > 1 ? room / KAFKA_SHRINK : room) ? ERR_LIMIT : ERR_AGAIN;
}

/* Given up with the producer: by a fault that stands for it, or on our own account. */
static enum status given_up(struct kafka_client *c, rd_kafka_resp_err_t e, struct err *err)
{
    const struct err *why = c->down.status != OK ? &c->down : &c->fault;
    if (e == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        return err_set(err, ERR_IO, "the connection was given up before an answer came");
    return err_set(err, why->status == ERR_DENIED ? ERR_DENIED : ERR_AGAIN, "%s",
                   why->status != OK ? why->text : "the client begins anew");
}

static enum status judge(struct kafka_client *c, const rd_kafka_message_t *m,
                         const struct payload *p)
{
    struct err *err = &c->last_end;
    rd_kafka_resp_err_t e = m->err;
    enum status s = kafka_verdict(e, rd_kafka_message_status(m));
    if (s == OK || c->closing)
        return s == OK ? OK : ERR_CLOSED;
    if (e == RD_KAFKA_RESP_ERR__PURGE_QUEUE || e == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT ||
        e == RD_KAFKA_RESP_ERR__FATAL)
        return given_up(c, e, err);
    err_set(err, s, "topic %.60s: %.90s%s", p->address.data, rd_kafka_err2str(e), kafka_hint(e));
    if (s == ERR_LIMIT)
        s = err->status = shrink(c, p, m->len);
    else if (e == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT && c->fault.status != OK)
        err_set(err, s, "no confirmation in time; %s", c->fault.text);
    return s;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    struct kafka_client *c = opaque;
    struct payload *p = kafka_client_take(c, m->_private);
    c->copied -= m->payload != p->body.data ? m->len : 0;
    enum status s = judge(c, m, p);
    if (s == OK) {
        c->ever_up = true;
        c->down.status = c->fault.status = OK;
        c->lane->connected = true;
    }
    payload_end(p, s);
}

/* What was queued before any broker was reached cannot have arrived: it is better off with the
 * lane, which says why it waits. */
static void on_down(struct kafka_client *c, const char *reason)
{
    if (c->down.status == OK)
        c->down_ns = clock_mono_ns();
    if (c->fault.status != OK)
        c->down = c->fault;
    else
        err_set(&c->down, ERR_IO, "%.200s", reason);
    c->lane->connected = false;
    if (!c->ever_up)
        (void)rd_kafka_purge(c->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

static void on_fatal(struct kafka_client *c)
{
    char text[200];
    rd_kafka_resp_err_t e = rd_kafka_fatal_error(c->rk, text, sizeof text);
    enum status s = kafka_verdict(e, RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED);
    err_set(&c->fault, s == ERR_DENIED ? ERR_DENIED : ERR_IO, "%.120s%s", text, kafka_hint(e));
    c->down.status = OK;
    c->spent = true;
    (void)rd_kafka_purge(c->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                    RD_KAFKA_PURGE_F_NON_BLOCKING);
}

static void on_fault(struct kafka_client *c, rd_kafka_resp_err_t e, const char *reason)
{
    bool login = e == RD_KAFKA_RESP_ERR__AUTHENTICATION;
    const char *hint = login && kafka_has_scram(&c->conf) ? kafka_hint_scram() : kafka_hint(e);
    enum status s = kafka_verdict(e, RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED);
    err_set(&c->fault, s == ERR_DENIED ? ERR_DENIED : ERR_IO, "%.*s%s",
            (int)(sizeof c->fault.text - 1 - strlen(hint)), reason, hint);
    if (login)
        kafka_events_login(c);
    if (login && !c->ever_up)
        on_down(c, reason); /* without a token no broker is even tried */
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    (void)rk;
    struct kafka_client *c = opaque;
    rd_kafka_resp_err_t e = kafka_error(code, reason);
    if (e == RD_KAFKA_RESP_ERR__FATAL)
        on_fatal(c);
    else if (e == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        on_down(c, reason);
    else
        on_fault(c, e, reason);
}

static int on_stats(rd_kafka_t *rk, char *json, size_t len, void *opaque)
{
    (void)rk;
    (void)len;
    struct kafka_client *c = opaque;
    struct kafka_stats s;
    if (!kafka_stats_read(json, c->stats_us, &s))
        return 0;
    c->lane->connected = s.up > 0;
    c->lane->connects += s.connected;
    c->lane->round_trip_ns = s.round_trip_us * 1000;
    c->lane->resends += s.retries > c->retries ? s.retries - c->retries : 0;
    c->stats_us = s.at_us;
    c->retries = s.retries;
    if (s.up > 0) {
        c->ever_up = true;
        c->down.status = OK;
    }
    return 0; /* the library frees json */
}

/* Telling of a failure gives another error: only who was asked for a token does. */
static void set_token(struct kafka_client *c, bool asked)
{
    const struct text_map *x = &c->conf.sasl.extensions;
    const char *token = NULL, **pairs = mem_alloc((2 * x->len + 1) * sizeof *pairs);
    char text[200] = "";
    struct err err = {.text = "there is no token"};
    for (size_t i = 0; i < x->len; i++) {
        pairs[2 * i] = x->items[i].name;
        pairs[2 * i + 1] = x->items[i].value;
    }
    int64_t until_ms = clock_wall_ms() + c->conf.sasl.token_refresh / MS_NS * 5 / 4;
    secret_look(&c->token);
    bool ok = secret_get(&c->token, &token, &err) == OK && token;
    if (ok)
        ok = rd_kafka_oauthbearer_set_token(c->rk, token, until_ms, "strata", pairs, 2 * x->len,
                                            text, sizeof text) == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!ok && asked)
        (void)rd_kafka_oauthbearer_set_token_failure(c->rk, text[0] ? text : err.text);
    mem_free(pairs);
}

static void set_password(struct kafka_client *c)
{
    const char *password = NULL;
    secret_look(&c->password);
    if (secret_get(&c->password, &password, NULL) == OK && password)
        rd_kafka_error_destroy(rd_kafka_sasl_set_credentials(c->rk, c->conf.sasl.user, password));
}

void kafka_events_login(struct kafka_client *c)
{
    if (!kafka_has_sasl(&c->conf))
        return;
    if (c->conf.sasl.mechanism == KAFKA_OAUTHBEARER)
        set_token(c, false);
    else
        set_password(c);
}

/* At four fifths of the time that the last one was said to be good for, and ten seconds after a
 * failure. */
static void on_token(rd_kafka_t *rk, const char *config, void *opaque)
{
    (void)rk;
    (void)config;
    set_token(opaque, true);
}

void kafka_events_set(rd_kafka_conf_t *conf, struct kafka_client *c)
{
    rd_kafka_conf_set_opaque(conf, c);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_stats_cb(conf, on_stats);
    if (kafka_has_sasl(&c->conf) && c->conf.sasl.mechanism == KAFKA_OAUTHBEARER)
        rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf, on_token);
}
