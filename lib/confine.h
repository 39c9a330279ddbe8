/* SPDX-License-Identifier: Apache-2.0 */
/* confine.h - takes from the process what it does not need once it runs.
 *
 * A seccomp filter (seccomp(2), by libseccomp) over all threads there are and will be: what is
 * not on the list of system calls of an agent fails with EPERM, and no new privileges can come.
 * Without may_exec no program can be started, no process be made, and sockets are of the Internet, Unix
 * and rtnetlink families only.  A program that the agent starts is under its filter as well, and nobody
 * knows what it needs; so with may_exec only what no such program has business with is refused:
 * tracing, mounting, namespaces, kernel modules, clocks, keys.  */
#ifndef CONFINE_H
#define CONFINE_H

#include "err.h"

/* For good: there is no way back.  ERR_IO: the kernel has no seccomp, or does not let us; nothing has
 * changed.  ERR_INVALID: this is a build with a sanitizer, which needs calls that are refused. */
enum status confine_start(bool may_exec, struct err *err) NODISCARD;

/* Whether confine_start has worked in this process. */
bool confine_is_on(void);

/* The memory of this process goes into no core file and cannot be read by others of its user (prctl(2),
 * PR_SET_DUMPABLE; RLIMIT_CORE).  Nothing happens in a build with a sanitizer, which looks at itself
 * that way. */
void confine_memory(void);

#endif
