/* SPDX-License-Identifier: Apache-2.0 */
/* kube_answer.h - how a call ended, in our words.  For kube_client.c. */
#ifndef KUBE_ANSWER_H
#define KUBE_ANSWER_H

#include "kube_client.h"

#include <curl/curl.h>

/* What is known of a transfer that has ended. */
struct kube_ending {
    const char *method, *path;
    const char *trust; /* of the access */
    CURL *easy;
    CURLcode how;
    const char *error; /* libcurl's words, or "" */
    bool body_too_large;
    enum status said; /* what bytes returned */
    struct span body; /* NUL-terminated */
};

/* Fills all of answer but its body. */
void kube_answer_fill(struct kube_answer *answer, const struct kube_ending *e);

/* Likewise, of a call that ended otherwise: "GET /api: what". */
void kube_answer_fail(struct kube_answer *answer, enum status s, const char *method,
                      const char *path, const char *what);

#endif
