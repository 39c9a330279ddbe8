/* SPDX-License-Identifier: Apache-2.0 */
/* nats_message.c - headers of a message; the contract is in nats_message.h.
 *
 * The library puts spaces for line breaks in values, so that none can add a header. */
#include "nats_message.h"

#include <assert.h>
#include <inttypes.h>

static natsStatus add_headers(natsMsg *msg, const struct payload *p, const char *stream)
{
    char id[PAYLOAD_ID_TEXT + 1], due[24], samples[24];
    payload_id_text(p->id, id);
    snprintf(due, sizeof due, "%" PRId64, p->due_ms);
    snprintf(samples, sizeof samples, "%zu", p->samples);
    const struct {
        const char *name, *value;
    } headers[] = {
        {"Content-Type", p->content_type},
        {"Strata-Schema", "1"},
        {"Strata-Id", id},
        {"Strata-Target", payload_target(p)},
        {"Strata-Due", due},
        {"Strata-Samples", samples},
        {"Nats-Msg-Id", stream ? id : NULL},
        {"Nats-Expected-Stream", stream},
    };
    natsStatus n = NATS_OK;
    for (size_t i = 0; i < ARRAY_LEN(headers) && n == NATS_OK; i++)
        if (headers[i].value)
            n = natsMsgHeader_Set(msg, headers[i].name, headers[i].value);
    return n;
}

/* "Name: value", as the encoder says them. */
static natsStatus add_own_headers(natsMsg *msg, const struct payload *p)
{
    natsStatus n = NATS_OK;
    for (const char *const *h = p->headers; h && *h && n == NATS_OK; h++) {
        char name[64];
        const char *colon = strstr(*h, ": ");
        assert(colon && (size_t)(colon - *h) < sizeof name); /* static texts of ours */
        snprintf(name, sizeof name, "%.*s", (int)(colon - *h), *h);
        n = natsMsgHeader_Set(msg, name, colon + 2);
    }
    return n;
}

natsStatus nats_message_make(natsMsg **ret, const struct payload *p, const char *stream,
                             const char *reply)
{
    natsMsg *msg = NULL;
    natsStatus n = natsMsg_Create(&msg, p->address.data, reply, p->body.data, (int)p->body.len);
    if (n == NATS_OK)
        n = add_headers(msg, p, stream);
    if (n == NATS_OK)
        n = add_own_headers(msg, p);
    if (n == NATS_OK)
        *ret = msg;
    else
        natsMsg_Destroy(msg);
    return n;
}
