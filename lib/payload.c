/* SPDX-License-Identifier: Apache-2.0 */
#include "payload.h"

#include "budget.h"
#include "hash.h"
#include "mem.h"

#include <assert.h>
#include <endian.h>
#include <inttypes.h>

static struct span text(const char *s)
{
    return (struct span){s, s ? strlen(s) : 0};
}

struct payload_id payload_id_make(const struct payload_origin *o)
{
    const uint64_t numbers[] = {
        /* the same bytes on every machine */
        htole64((uint64_t)o->due_ms),
        htole64(o->part),
        htole64(o->outcome),
        htole64(o->clock_steps),
    };
    const uint64_t series = htole64(o->series);
    const struct span pieces[] = {
        text(o->cluster),
        text(o->instance),
        text(o->pool),
        text(o->output),
        text(o->settings),
        text(o->target),
        {(const char *)numbers, sizeof numbers},
        {(const char *)&series, sizeof series},
    };
    struct payload_id id;
    hash_pieces(pieces, ARRAY_LEN(pieces) - (o->series == 0), &id.high, &id.low);
    return id;
}

void payload_headers(const struct payload *p, struct payload_headers *ret)
{
    payload_id_text(p->id, ret->id);
    snprintf(ret->due, sizeof ret->due, "%" PRId64, p->due_ms);
    snprintf(ret->samples, sizeof ret->samples, "%zu", p->samples);
    const char *const pairs[PAYLOAD_HEADERS][2] = {
        {"Content-Type", p->content_type},
        {"Strata-Schema", "1"},
        {"Strata-Id", ret->id},
        {"Strata-Target", payload_target(p)},
        {"Strata-Due", ret->due},
        {"Strata-Samples", ret->samples},
    };
    for (size_t i = 0; i < PAYLOAD_HEADERS; i++) {
        ret->items[i].name = pairs[i][0];
        ret->items[i].value = pairs[i][1];
    }
}

struct payload_header payload_header_split(const char *header)
{
    const char *colon = strstr(header, ": ");
    assert(colon); /* static texts of encoders */
    return (struct payload_header){{header, (size_t)(colon - header)}, colon + 2};
}

struct payload_id payload_id_piece(struct payload_id whole, uint32_t piece)
{
    const uint64_t numbers[] = {htole64(whole.high), htole64(whole.low), htole64(piece)};
    const struct span pieces[] = {{(const char *)numbers, sizeof numbers}};
    struct payload_id id;
    hash_pieces(pieces, ARRAY_LEN(pieces), &id.high, &id.low);
    return id;
}

const char *payload_tail(const struct payload *p)
{
    return p->content_type && strcmp(p->content_type, "application/json") == 0 ? "\n" : "";
}

void payload_id_text(struct payload_id id, char out[PAYLOAD_ID_TEXT + 1])
{
    snprintf(out, PAYLOAD_ID_TEXT + 1, "%016" PRIx64 "%016" PRIx64, id.high, id.low);
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void payload_id_base64(struct payload_id id, char out[PAYLOAD_ID_BASE64 + 1])
{
    uint64_t numbers[] = {htobe64(id.high), htobe64(id.low)};
    unsigned char bytes[sizeof numbers + 2] = {0};
    memcpy(bytes, numbers, sizeof numbers);
    for (size_t i = 0; i < PAYLOAD_ID_BASE64 / 4; i++) {
        const unsigned char *b = bytes + 3 * i;
        uint32_t three = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];
        for (size_t k = 0; k < 4; k++)
            out[4 * i + k] = digits[three >> (18 - 6 * k) & 63];
    }
    memcpy(out + PAYLOAD_ID_BASE64 - 2, "==", 3); /* 16 bytes are one more than 15 */
}

/* Writing it again is the check of what reading lets pass. */
bool payload_id_read_base64(struct span text, struct payload_id *ret)
{
    unsigned char bytes[PAYLOAD_ID_BASE64 / 4 * 3] = {0};
    char again[PAYLOAD_ID_BASE64 + 1];
    if (text.len != PAYLOAD_ID_BASE64)
        return false;
    for (size_t i = 0; i < PAYLOAD_ID_BASE64 - 2; i++) {
        const char *d = memchr(digits, text.data[i], sizeof digits - 1);
        if (!d)
            return false;
        uint32_t bits = (uint32_t)(d - digits) << (10 - 6 * i % 8);
        bytes[6 * i / 8] |= (unsigned char)(bits >> 8);
        bytes[6 * i / 8 + 1] |= (unsigned char)bits;
    }
    uint64_t numbers[2];
    memcpy(numbers, bytes, sizeof numbers);
    struct payload_id id = {be64toh(numbers[0]), be64toh(numbers[1])};
    payload_id_base64(id, again);
    if (memcmp(again, text.data, PAYLOAD_ID_BASE64) != 0)
        return false;
    *ret = id;
    return true;
}

struct payload *payload_new(const char *key, size_t max_bytes)
{
    assert(max_bytes <= UINT32_MAX);
    struct payload *p = mem_alloc(sizeof *p);
    p->body = (struct buf)BUF_INIT(max_bytes);
    p->key = (struct buf)BUF_INIT(PAYLOAD_TEXT_MAX);
    p->address = (struct buf)BUF_INIT(PAYLOAD_TEXT_MAX);
    p->marks.stride = 1;
    if (payload_set_key(p, "", key) != OK)
        abort(); /* cannot be: an id is shorter */
    return p;
}

enum status payload_set_key(struct payload *p, const char *cluster, const char *target)
{
    buf_truncate(&p->key, 0);
    p->target_at = cluster[0] ? strlen(cluster) + 1 : 0;
    return buf_cat(&p->key, cluster, cluster[0] ? "/" : "", target, NULL);
}

size_t payload_bytes(const struct payload *p)
{
    return sizeof *p + p->body.cap + p->key.cap + p->address.cap +
           (p->marks.at ? PAYLOAD_MARKS * sizeof *p->marks.at : 0);
}

void payload_count(struct payload *p)
{
    budget_count(BUDGET_PAYLOADS, &p->counted, payload_bytes(p));
}

void payload_reset(struct payload *p)
{
    buf_truncate(&p->body, 0);
    buf_truncate(&p->key, 0);
    buf_truncate(&p->address, 0);
    payload_unmark(p);
    p->target_at = p->samples = 0;
    p->next = NULL;
    p->first_sent_ns = 0;
    p->how = OK;
    p->more = p->unknown = p->maybe_twice = false;
    p->seq = p->row = 0;
}

void payload_free(struct payload *p)
{
    if (!p)
        return;
    buf_done(&p->body);
    buf_done(&p->key);
    buf_done(&p->address);
    mem_free(p->marks.at);
    budget_count(BUDGET_PAYLOADS, &p->counted, 0);
    mem_free(p);
}

/* Keeps every second mark. */
static void thin(struct payload_marks *m)
{
    for (uint32_t i = 0; i < PAYLOAD_MARKS / 2; i++)
        m->at[i] = m->at[2 * i];
    m->len = PAYLOAD_MARKS / 2;
    m->stride *= 2;
}

void payload_keep_mark(struct payload *p, size_t offset)
{
    struct payload_marks *m = &p->marks;
    if (!m->at)
        m->at = mem_alloc(PAYLOAD_MARKS * sizeof *m->at);
    if (m->len == PAYLOAD_MARKS)
        thin(m); /* record PAYLOAD_MARKS * stride is still one to mark */
    m->at[m->len++] = (uint32_t)offset;
}

void payload_unmark(struct payload *p)
{
    p->marks.len = p->marks.records = 0;
    p->marks.stride = 1;
}

void payload_end(struct payload *p, enum status how)
{
    if (p->end)
        p->end(p->lane, p, how);
    else
        payload_free(p);
}
