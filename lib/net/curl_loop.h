/* SPDX-License-Identifier: Apache-2.0 */
/* curl_loop.h - libcurl's transfers on one epoll, for one thread.
 *
 *     curl_loop_add(loop, shard, easy)
 *     curl_loop_wait(loop, deadline_ns)       runs transfers; calls done for each that ended
 *
 * Several multi handles share the epoll: one multi walks all its connections at each transfer,
 * so that ten thousand on one cost ten times what they cost on sixty-four.  Who gives equal
 * shards gets the same multi, and with it the connections kept alive there.
 *
 * A descriptor of the caller's can be waited for as well.  Not thread-safe, but for
 * curl_loop_wake.  curl_global_init has been called before (net_init).  */
#ifndef CURL_LOOP_H
#define CURL_LOOP_H

#include "err.h"

#include <curl/curl.h>

struct curl_loop;

struct curl_loop_conf {
    unsigned shards;      /* multis; each is made when it is first used */
    long max_connections; /* kept alive, of each multi; at least 1 */
    /* A transfer has ended and is out of the loop; easy is the caller's again. */
    void (*done)(void *of, CURL *easy, CURLcode how);
    void *of;
};

/* Once, before any thread; thread-safe afterwards. */
enum status net_init(struct err *err) NODISCARD;

/* ERR_IO: no descriptor left. */
enum status curl_loop_new(struct curl_loop **ret, const struct curl_loop_conf *conf,
                          struct err *err) NODISCARD;
/* Transfers under way are taken out without done being called.  NULL is fine. */
void curl_loop_free(struct curl_loop *l);

/* Starts the transfer that easy describes, on the multi of that shard.  ERR_IO: libcurl will
 * not have it. */
enum status curl_loop_add(struct curl_loop *l, uint64_t shard, CURL *easy,
                          struct err *err) NODISCARD;
/* Takes a running transfer out; done is not called.  Waits for a resolver that is at work, unless the
 * easy handle has CURLOPT_QUICK_EXIT. */
void curl_loop_remove(struct curl_loop *l, uint64_t shard, CURL *easy);

/* Whether curl_loop_wait also returns as soon as fd is readable.  fd stays the same for ever. */
void curl_loop_watch(struct curl_loop *l, int fd, bool on);

/* Waits for something to do, until deadline_ns, and does it.  Returns when anything was done,
 * the watched descriptor is readable, curl_loop_wake was called, or the deadline has passed. */
void curl_loop_wait(struct curl_loop *l, int64_t deadline_ns);

/* For who has a loop of their own: when the descriptor (the same for ever) is readable, or the
 * time has come (monotonic; DEADLINE_NEVER: none), curl_loop_wait(l, DEADLINE_NOW) does what there is
 * to do, without waiting. */
int curl_loop_fd(const struct curl_loop *l);
int64_t curl_loop_timer_ns(const struct curl_loop *l);

/* Ends the present or next curl_loop_wait.  Any thread. */
void curl_loop_wake(struct curl_loop *l);

size_t curl_loop_connections(
    const struct curl_loop *l); /* sockets that libcurl has open; any thread */

#endif
