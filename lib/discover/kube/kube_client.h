/* SPDX-License-Identifier: Apache-2.0 */
/* kube_client.h - requests to the API server, without waiting for them.
 *
 * For one thread, on its event loop:
 *
 *     wait until kube_client_fd is readable, or until kube_client_timer_ns
 *     kube_client_run(c)              calls bytes and done of the calls that go on
 *
 * A call never starts another one of its own; bytes and done may start and cancel calls.  An exec
 * credential is fetched by a child process before the first call, and again when it has expired or
 * a 401 came; calls wait for it meanwhile.  The User-Agent is strata-agent/VERSION.  */
#ifndef KUBE_CLIENT_H
#define KUBE_CLIENT_H

#include "kube_access.h"
#include "text.h"

struct kube_client;

/* How a call ended. */
struct kube_answer {
    /* OK          a status of 200 to 299, whole
     * ERR_DENIED  401, 403, or the credentials cannot be read or made
     * ERR_TIMEOUT timeout or quiet has passed
     * ERR_AGAIN   429, or any status with Retry-After
     * ERR_IO      no connection, cut off, 5xx
     * ERR_INVALID other 4xx (404, 409, 410, 422), 3xx, TLS that is not trusted
     * ERR_LIMIT   2xx, with more than KUBE_BODY_MAX bytes for a call without bytes
     * or what bytes returned */
    enum status status;
    int code;               /* of HTTP; 0: none came */
    int64_t retry_after_ns; /* 0: none; at most an hour */
    struct err err;   /* with the message of the server's Status object, and the method and path */
    const char *body; /* NUL-terminated, of a call without bytes, or of an error: its first
                               KUBE_BODY_MAX bytes; else "" */
    size_t body_len;
};

#define KUBE_BODY_MAX 262144

struct kube_request {
    const char *method;       /* static: "GET", "PUT", "POST", "DELETE", "PATCH" */
    const char *path;         /* with its query, from the first / on; copied */
    const char *content_type; /* static; NULL without a body */
    struct span body;         /* copied */
    int64_t timeout_ns;       /* from start to end; 0: none */
    int64_t quiet_ns;         /* the most without a byte, from the start on; 0: none */

    /* Takes bytes of a 2xx answer as they come.  Other than OK ends the call with that status.
     * NULL: the body is kept for done. */
    enum status (*bytes)(void *of, struct span data);
    /* The call has ended, and is freed when this returns. */
    void (*done)(void *of, const struct kube_answer *answer);
    void *of;
};

/* access outlives the client; net_init has been called (curl_loop.h).  ERR_IO: no descriptors left. */
enum status kube_client_new(struct kube_client **ret, const struct kube_access *access,
                            struct err *err) NODISCARD;
/* Cancels all calls, without done; ends a plugin that runs. */
void kube_client_free(struct kube_client *c); /* NULL is fine */

/* Never fails: what goes wrong is told by done, from within kube_client_run. */
struct kube_call;
struct kube_call *kube_client_send(struct kube_client *c, const struct kube_request *request);
void kube_call_cancel(struct kube_call *call); /* done is not called; call is freed */

int kube_client_fd(const struct kube_client *c);           /* the same until free */
int64_t kube_client_timer_ns(const struct kube_client *c); /* monotonic; DEADLINE_NEVER: none */
void kube_client_run(struct kube_client *c);

/* Since the client is: for /metrics. */
struct kube_client_books {
    uint64_t calls, failed, bytes;
};
struct kube_client_books kube_client_books(const struct kube_client *c);

#endif
