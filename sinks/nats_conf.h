/* SPDX-License-Identifier: Apache-2.0 */
/* nats_conf.h - what can be configured of the nats sink. */
#ifndef NATS_CONF_H
#define NATS_CONF_H

#include "http.h"
#include "setting.h"

struct nats_stream_conf {
    char *stream; /* "": core NATS */
    char *domain;
    bool create;
    struct text_list subjects; /* empty: made from the subject template */
    int64_t duplicate_window, max_age;
    int64_t replicas, max_bytes;
    unsigned storage; /* 0: file, 1: memory */
};

struct nats_conf {
    struct text_list servers;
    char *subject;
    char *user, *password, *token, *creds, *nkey, *seed;
    struct tls_conf tls;
    char *name, *inbox_prefix;
    struct nats_stream_conf jetstream;
    unsigned compression; /* of nats_compressions */
    int64_t in_flight;
    int64_t timeout, connect_timeout, reconnect_max, ping;
};

extern const struct setting nats_settings[];
extern const char *const nats_compressions[]; /* names of compress.h */

/* ERR_INVALID: what no server could make work.  *err names the setting. */
enum status nats_conf_check(const struct nats_conf *c, struct err *err) NODISCARD;

/* As sink_ops.check, of a struct nats_conf. */
void nats_conf_report(const void *conf, const struct setting_report *report);

#define NATS_HOST_MAX 256

/* The host of a URL from servers, without brackets and port.  ERR_INVALID: it is none, or has
 * an '@': then *err does not repeat it, for what stands before that is a secret. */
enum status nats_conf_host(const char *url, char ret[NATS_HOST_MAX], struct err *err) NODISCARD;

/* Its port; 4222 when it names none. */
uint16_t nats_conf_port(const char *url);

/* The subjects that the template can give, as a wildcard: each token with a name in it is
 * a '*'. */
enum status nats_conf_wildcard(const char *subject, struct buf *out) NODISCARD;

#endif
