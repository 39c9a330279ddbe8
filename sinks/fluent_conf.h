/* SPDX-License-Identifier: Apache-2.0 */
/* fluent_conf.h - what can be configured of the fluent sink. */
#ifndef FLUENT_CONF_H
#define FLUENT_CONF_H

#include "http.h"
#include "setting.h"

struct fluent_conf {
    struct text_list servers;
    char *shared_key, *user, *password;
    struct tls_conf tls;
    bool require_ack;
    int64_t in_flight;
    int64_t timeout, connect_timeout, back_after;
};

extern const struct setting fluent_settings[];

/* As sink_ops.check, of a struct fluent_conf. */
void fluent_conf_report(const void *conf, const struct setting_report *report);

enum fluent_scheme { FLUENT_TCP, FLUENT_TLS, FLUENT_UNIX };

#define FLUENT_HOST_MAX 256

struct fluent_server {
    enum fluent_scheme scheme;
    char host[FLUENT_HOST_MAX]; /* without brackets; of a UNIX one the path */
    char port[6];               /* digits; of a UNIX one "" */
};

/* What an entry of servers says.  ERR_INVALID: *err says what is wrong with it. */
enum status fluent_conf_server(const char *url, struct fluent_server *ret,
                               struct err *err) NODISCARD;

#endif
