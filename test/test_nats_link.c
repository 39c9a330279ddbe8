/* SPDX-License-Identifier: Apache-2.0 */
/* What the lane's thread may touch of a nats link while its keeper connects; what is overdue. */
#include "clock.h"
#include "nats_link.h"
#include "nats_state.h"
#include "sinks.h"
#include "test.h"

#include <sched.h>
#include <stdatomic.h>

static _Atomic bool wrote;

/* As the keeper does between two connections: without a lock, while nc is NULL. */
static void *write_inbox(void *arg)
{
    struct nats_link *l = arg;
    snprintf(l->inbox, sizeof l->inbox, "_INBOX.another");
    atomic_store_explicit(&wrote, true, memory_order_relaxed); /* orders nothing: tsan still sees */
    return NULL;
}

TEST(a_send_without_a_connection_does_not_look_at_the_inbox)
{
    struct nats_conf c = {.in_flight = 0};
    struct sink_lane lane = {.name = "main/test"};
    setting_defaults(nats_settings, &c);
    CHECK_INT(setting_set(nats_settings, &c, "nats://h", NULL), OK);
    struct nats_link *l = nats_link_new(&c, &lane);
    l->started = l->done = l->up = true; /* it was up when the lane looked */
    struct payload *p = payload_new("t", 10);
    CHECK_INT(buf_puts(&p->address, "subject"), OK);
    pthread_t thread;
    if (pthread_create(&thread, NULL, write_inbox, l) != 0)
        abort();
    while (!atomic_load_explicit(&wrote, memory_order_relaxed))
        sched_yield();
    struct err err;
    CHECK_INT(nats_link_send(l, p, DEADLINE_NEVER, &err), ERR_IO);
    CHECK_INT(l->flights.len, 0);
    pthread_join(thread, NULL);
    payload_free(p);
    nats_link_free(l);
    setting_done(nats_settings, &c);
}

static unsigned ended;

static void count_end(void *lane, struct payload *p, enum status how)
{
    (void)lane;
    (void)p;
    ended += how == ERR_TIMEOUT;
}

TEST(only_what_was_passed_over_is_overdue_while_acknowledgements_come)
{
    struct nats_conf c = {.in_flight = 0};
    struct sink_lane lane = {.name = "main/test"};
    setting_defaults(nats_settings, &c);
    CHECK_INT(setting_set(nats_settings, &c, "nats://h", NULL), OK);
    c.timeout = 100;
    struct nats_link *l = nats_link_new(&c, &lane);
    struct payload *p = payload_new("t", 10);
    p->end = count_end;
    uint64_t tickets[5];
    for (int i = 0; i < 5; i++) { /* deadlines 1000 to 1004 */
        CHECK_INT(nats_flights_reserve(&l->flights, &tickets[i]), OK);
        nats_flights_put(&l->flights, tickets[i], p, 1000 + i);
    }
    CHECK_INT(nats_state_end_overdue(l, 999), 1000);
    l->heard_ns = 950; /* the first one's */
    l->acked_ns = 1000;
    CHECK(nats_flights_take(&l->flights, tickets[0]) == p);
    CHECK_INT(nats_flights_deadline_ns(&l->flights, tickets[0]), 0);
    CHECK_INT(nats_state_end_overdue(l, 1040), 1050); /* it goes on */
    CHECK_INT(ended, 0);
    l->heard_ns = 1045; /* the third one's */
    l->acked_ns = 1002;
    CHECK(nats_flights_take(&l->flights, tickets[2]) == p);
    CHECK_INT(nats_state_end_overdue(l, 1050), 1145);
    CHECK_INT(ended, 1); /* the second one */
    CHECK_INT(nats_state_end_overdue(l, 1144), 1145);
    CHECK_INT(ended, 1);
    CHECK_INT(nats_state_end_overdue(l, 1145), DEADLINE_NEVER);
    CHECK_INT(ended, 3); /* nothing more is heard */
    payload_free(p);
    nats_link_free(l);
    setting_done(nats_settings, &c);
}

TEST(as_many_messages_share_a_pong_as_it_has_time_for)
{
    CHECK_INT(nats_state_window(256, 256, 1, 1000), 256);
    CHECK_INT(nats_state_window(16, 256, 124, 1000), 32);
    CHECK_INT(nats_state_window(200, 256, 1, 1000), 256);
    CHECK_INT(nats_state_window(16, 256, 125, 1000), 16);
    CHECK_INT(nats_state_window(16, 256, 501, 1000), 8);
    CHECK_INT(nats_state_window(16, 256, 1000, 1000), 4);
    CHECK_INT(nats_state_window(3, 256, 1000, 1000), 1);
    CHECK_INT(nats_state_window(1, 256, 501, 1000), 1);
    CHECK_INT(nats_state_window(1, 1, 1, 1000), 1);
}
