/* SPDX-License-Identifier: Apache-2.0 */
/* kube_lease_object.h - a Lease as it was last seen, and the same with other words in it.
 *
 * The object is kept whole, because an update replaces it: labels and owners that somebody gave it
 * stay.  Part of kube_lease.c.  */
#ifndef KUBE_LEASE_OBJECT_H
#define KUBE_LEASE_OBJECT_H

#include "err.h"

#include <cjson/cJSON.h>

struct kube_lease_object {
    cJSON *json;        /* NULL: there is no such object */
    uint64_t version;   /* its resourceVersion, which grows with each write; 0: it says none */
    const char *holder; /* in json; "": nobody */
    int64_t lasts_ns;   /* as it says, at most an hour; 0: it says nothing */
};

/* A copy of json.  ERR_INVALID: that is no object with metadata. */
enum status kube_lease_object_read(struct kube_lease_object *ret, const cJSON *json,
                                   struct err *err) NODISCARD;
void kube_lease_object_done(struct kube_lease_object *o);

/* What is to be written so that holder has it for duration_ns from wall_ms on; holder "": so that it is
 * given up.  o without json: a new one of that name.  Text of JSON, for cJSON_free. */
char *kube_lease_object_write(const struct kube_lease_object *o, const char *ns, const char *name,
                              const char *holder, int64_t duration_ns, int64_t wall_ms);

#endif
