/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_props.h - settings of the kafka sink as properties of librdkafka. */
#ifndef KAFKA_PROPS_H
#define KAFKA_PROPS_H

#include "kafka_conf.h"

#include <librdkafka/rdkafka.h>

#define KAFKA_QUEUE_KIB 16384 /* of messages inside of the library; it holds no copies of them */

/* One of `properties`.  ERR_INVALID: the library does not know it or does not take the value, or
 * it is not free to choose; *err says why. */
enum status kafka_props_check(const struct text_pair *property, struct err *err) NODISCARD;

/* All of conf, with callbacks that ignore the library's log; to be given to rd_kafka_new, or to
 * rd_kafka_conf_destroy.
 *     name         of the client
 *     password     may be NULL
 *     max_message  instead of that of conf
 * ERR_INVALID: *err says which property the library does not take. */
struct kafka_props {
    const struct kafka_conf *conf;
    const char *name, *password;
    size_t max_message;
};
enum status kafka_props_make(rd_kafka_conf_t **ret, const struct kafka_props *props,
                             struct err *err) NODISCARD;

/* Whether the library takes all of conf together, which only a client tells: one is made that knows
 * no broker, and goes.  Files and secrets are not looked at.  ERR_INVALID. */
enum status kafka_props_try(const struct kafka_conf *conf, struct err *err) NODISCARD;

#endif
