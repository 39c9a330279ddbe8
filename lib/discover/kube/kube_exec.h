/* SPDX-License-Identifier: Apache-2.0 */
/* kube_exec.h - runs an exec credential plugin, without waiting for it.
 *
 *     kube_exec_start(&run, exec, epoll_fd, &err);
 *     ... kube_exec_poll(run, &credential, &err) when epoll_fd is readable, or at kube_exec_timer_ns
 *     kube_exec_free(run);
 *
 * The plugin gets /dev/null to read, a process group of its own, no signal blocked or ignored.  For
 * kube_client.c.  */
#ifndef KUBE_EXEC_H
#define KUBE_EXEC_H

#include "clock.h"
#include "kube_access.h"
#include "text.h"

#define KUBE_EXEC_OUT_MAX (1u << 20)
#define KUBE_EXEC_TIME_NS (60 * SEC_NS)

/* What a plugin gives. */
struct kube_credential {
    char *token;        /* NULL: none */
    char *cert, *key;   /* PEM; both or none */
    int64_t expires_ms; /* 0: not said */
};
void kube_credential_done(struct kube_credential *c);

/* An ExecCredential as JSON.  ERR_INVALID: it is none, of another apiVersion, or says nothing. */
enum status kube_credential_parse(struct kube_credential *ret, struct span json,
                                  const char *api_version, struct err *err) NODISCARD;

struct kube_exec_run;

/* Its descriptors go into the epoll.  ERR_DENIED: there is no such program; ERR_IO: no process or
 * no descriptor left. */
enum status kube_exec_start(struct kube_exec_run **ret, const struct kube_exec *exec, int epoll_fd,
                            struct err *err) NODISCARD;
int64_t kube_exec_timer_ns(const struct kube_exec_run *r);
/* ERR_AGAIN: it still runs; else it has ended: OK, or ERR_DENIED with the first line that it wrote to
 * stderr. */
enum status kube_exec_poll(struct kube_exec_run *r, struct kube_credential *ret,
                           struct err *err) NODISCARD;
void kube_exec_free(struct kube_exec_run *r); /* ends it, if it runs; NULL is fine */

#endif
