/* SPDX-License-Identifier: Apache-2.0 */
/* nats_message.c - headers of a message; the contract is in nats_message.h.
 *
 * The library puts spaces for line breaks in values, so that none can add a header. */
#include "nats_message.h"

#include <assert.h>

static natsStatus add_headers(natsMsg *msg, const struct payload *p, const char *stream)
{
    struct payload_headers h;
    payload_headers(p, &h);
    natsStatus n = NATS_OK;
    for (size_t i = 0; i < PAYLOAD_HEADERS && n == NATS_OK; i++)
        if (h.items[i].value)
            n = natsMsgHeader_Set(msg, h.items[i].name, h.items[i].value);
    if (n == NATS_OK && stream)
        n = natsMsgHeader_Set(msg, "Nats-Msg-Id", h.id);
    if (n == NATS_OK && stream)
        n = natsMsgHeader_Set(msg, "Nats-Expected-Stream", stream);
    return n;
}

/* "Name: value", as the encoder says them. */
static natsStatus add_own_headers(natsMsg *msg, const struct payload *p)
{
    natsStatus n = NATS_OK;
    for (const char *const *h = p->headers; h && *h && n == NATS_OK; h++) {
        char name[64];
        struct payload_header own = payload_header_split(*h);
        assert(own.name.len < sizeof name);
        snprintf(name, sizeof name, "%.*s", (int)own.name.len, own.name.data);
        n = natsMsgHeader_Set(msg, name, own.value);
    }
    return n;
}

natsStatus nats_message_make(natsMsg **ret, const struct payload *p,
                             const struct compress_body *body, const char *stream,
                             const char *reply)
{
    natsMsg *msg = NULL;
    natsStatus n =
        natsMsg_Create(&msg, p->address.data, reply, body->bytes.data, (int)body->bytes.len);
    if (n == NATS_OK)
        n = add_headers(msg, p, stream);
    if (n == NATS_OK)
        n = add_own_headers(msg, p);
    if (n == NATS_OK && body->encoding)
        n = natsMsgHeader_Set(msg, "Content-Encoding", body->encoding);
    if (n == NATS_OK)
        *ret = msg;
    else
        natsMsg_Destroy(msg);
    return n;
}
