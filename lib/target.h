/* SPDX-License-Identifier: Apache-2.0 */
/* target.h - one thing to scrape.
 *
 * Immutable once published, shared by count: the registry holds one reference,
 * every job and every page holds one more.  The count is atomic, the rest is
 * read without a lock.  */
#ifndef TARGET_H
#define TARGET_H

#include "text.h"

#define TARGET_LABELS 64 /* of one target; discovery leaves out the rest */

struct http;

/* How a page with faults is taken. */
enum target_mode { TARGET_AS_POOL, TARGET_AUTO, TARGET_STRICT, TARGET_SALVAGE };

struct target {
    _Atomic uint32_t refs;
    const char *id;     /* unique in the cluster: "ns/pod/container:port/path", or the URL */
    const char *source; /* name of the source that found it */
    const char *pool;   /* which collector pool scrapes it */
    const char *url;    /* http://ip:port/path */
    int64_t interval_ns;
    int64_t timeout_ns;         /* never above interval_ns */
    int64_t max_samples;        /* of one scrape; 0: as the pool says */
    enum target_mode mode;      /* likewise, unless the target asks for its own */
    const struct label *labels; /* added to every series: namespace, pod, node, ... */
    size_t labels_len;
    bool honor_labels;     /* an exposed label of the same name wins; else it becomes
                                   exported_<name> */
    bool honor_timestamps; /* a time on the page counts; else the start of the scrape */
    struct http *http;     /* credentials, TLS, headers (http.h); shared; NULL: none */
};

/* A deep copy of *like, whose refs do not count; any string may be NULL.  The
 * caller holds the first reference.
 *     target_new(&(struct target){.id = id, .url = url, ...})  */
struct target *target_new(const struct target *like);
size_t target_bytes(const struct target *t); /* of all its memory, http apart */

/* Whether both have the same labels, in whatever order.  No two labels of a target have one
 * name. */
bool target_same_labels(const struct target *a, const struct target *b);
/* Whether both are scraped alike; of two targets of one source and id, for what is the same for all of
 * a source is not compared. */
bool target_same_scrape(const struct target *a, const struct target *b);
struct target *target_ref(struct target *t); /* returns t; NULL gives NULL */
void target_unref(struct target *t);         /* NULL is fine */
DEFINE_AUTO_PTR(target, target_unref)

#endif
