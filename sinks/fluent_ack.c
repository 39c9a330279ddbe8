/* SPDX-License-Identifier: Apache-2.0 */
/* fluent_ack.c - acknowledgements; the contract is in fluent_ack.h. */
#include "fluent_ack.h"

#include "msgpack.h"

/* A map of any members, of which ack counts. */
static enum status read_map(struct span *at, uint32_t pairs, struct span *ret_chunk)
{
    for (uint32_t i = 0; i < pairs; i++) {
        struct msgpack_item key;
        struct span value = *at;
        enum status s = msgpack_read(&value, &key);
        if (s != OK)
            return s;
        if (key.type != MSGPACK_TEXT)
            return ERR_INVALID;
        *at = value;
        s = msgpack_skip(at);
        if (s != OK)
            return s;
        struct msgpack_item chunk;
        if (span_is(key.text, "ack") && msgpack_read(&value, &chunk) == OK &&
            chunk.type == MSGPACK_TEXT)
            *ret_chunk = chunk.text;
    }
    return OK;
}

/* Of an array there is only this one. */
static enum status read_array(struct span at)
{
    struct msgpack_item word;
    enum status s = msgpack_read(&at, &word);
    bool helo = s == OK && word.type == MSGPACK_TEXT && span_is(word.text, "HELO");
    return helo ? ERR_DENIED : s == ERR_AGAIN ? ERR_AGAIN : ERR_INVALID;
}

enum status fluent_ack_read(struct span *left, bool *ret_known, struct payload_id *ret_id,
                            struct err *err)
{
    struct span at = *left, chunk = {NULL, 0};
    struct msgpack_item answer;
    enum status s = msgpack_read(&at, &answer);
    if (s == OK && answer.type == MSGPACK_MAP)
        s = read_map(&at, answer.count, &chunk);
    else if (s == OK)
        s = answer.type == MSGPACK_ARRAY ? read_array(at) : ERR_INVALID;
    if (s == ERR_DENIED)
        return err_set(err, s, "the server asks for a shared_key, and there is none");
    if (s == ERR_AGAIN && left->len <= FLUENT_ANSWER_MAX)
        return ERR_AGAIN;
    if (s == OK && !chunk.data)
        s = ERR_INVALID;
    if (s != OK)
        return err_set(err, ERR_INVALID, "an answer that is no acknowledgement");
    *ret_known = payload_id_read_base64(chunk, ret_id);
    *left = at;
    return OK;
}
