/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_conf.h - what can be configured of the kafka sink. */
#ifndef KAFKA_CONF_H
#define KAFKA_CONF_H

#include "http.h"
#include "setting.h"

enum kafka_protocol { KAFKA_PLAINTEXT, KAFKA_SSL, KAFKA_SASL_PLAINTEXT, KAFKA_SASL_SSL };
enum kafka_mechanism { KAFKA_PLAIN, KAFKA_SCRAM_256, KAFKA_SCRAM_512, KAFKA_OAUTHBEARER };
enum kafka_compression {
    KAFKA_LZ4,
    KAFKA_ZSTD,
    KAFKA_SNAPPY,
    KAFKA_GZIP,
    KAFKA_NONE,
    KAFKA_LZ4_FRAME, /* of each message, not by the library */
};
enum kafka_acks { KAFKA_ACKS_ALL, KAFKA_ACKS_LEADER, KAFKA_ACKS_NONE };

extern const char *const kafka_protocols[], *const kafka_acks_words[], *const kafka_compressions[];

struct kafka_sasl_conf {
    unsigned mechanism;    /* enum kafka_mechanism */
    char *user, *password; /* of PLAIN and SCRAM */
    char *token;           /* of OAUTHBEARER */
    int64_t token_refresh;
    struct text_map extensions; /* of OAUTHBEARER */
};

struct kafka_conf {
    struct text_list brokers;
    char *topic;
    char *client_id;      /* "": strata-POOL-OUTPUT */
    unsigned acks;        /* enum kafka_acks */
    unsigned compression; /* enum kafka_compression */
    bool idempotence;
    int64_t linger, batch, in_flight, max_message;
    int64_t timeout, connect_timeout, reconnect_max;
    unsigned protocol; /* enum kafka_protocol */
    struct kafka_sasl_conf sasl;
    struct tls_conf tls;
    struct text_map properties;
};

extern const struct setting kafka_settings[];

#define KAFKA_TOPIC_MAX 249

/* Of a byte of a topic's name. */
bool kafka_topic_legal(unsigned char c);

/* As sink_ops.check, of a struct kafka_conf. */
void kafka_conf_report(const void *conf, const struct setting_report *report);

/* ERR_INVALID: *err is the first thing that kafka_conf_report tells. */
enum status kafka_conf_check(const struct kafka_conf *c, struct err *err) NODISCARD;

static inline bool kafka_has_sasl(const struct kafka_conf *c)
{
    return c->protocol == KAFKA_SASL_PLAINTEXT || c->protocol == KAFKA_SASL_SSL;
}

static inline bool kafka_has_scram(const struct kafka_conf *c)
{
    return kafka_has_sasl(c) &&
           (c->sasl.mechanism == KAFKA_SCRAM_256 || c->sasl.mechanism == KAFKA_SCRAM_512);
}

static inline bool kafka_has_tls(const struct kafka_conf *c)
{
    return c->protocol == KAFKA_SSL || c->protocol == KAFKA_SASL_SSL;
}

#endif
