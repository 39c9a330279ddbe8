/* SPDX-License-Identifier: Apache-2.0 */
/* kube_frame.h - cuts what the API server sends into objects, as the bytes come.
 *
 * A watch is a line of JSON for each event: {"type":"ADDED","object":{...}}.  A list is one object,
 * of which "items" is the long part: it is never held whole; each of its items is framed by itself, and the
 * few fields around them that count are read on the way, in whatever order they come.
 *
 * Only as much JSON is understood as is needed to find where an object ends (strings, escapes,
 * nesting); the object's text is parsed by who gets it.  A thing larger than max bytes, or an item nested
 * deeper than KUBE_DEPTH_MAX, is left out and counted; memory is one thing and no more.  */
#ifndef KUBE_FRAME_H
#define KUBE_FRAME_H

#include "buf.h"
#include "err.h"
#include "text.h"

#define KUBE_OBJECT_MAX   (4u << 20) /* bytes of one object; etcd takes 1.5 MiB */
#define KUBE_DEPTH_MAX    64
#define KUBE_VERSION_MAX  256   /* bytes of a resourceVersion */
#define KUBE_CONTINUE_MAX 16384 /* bytes of a list's token */

enum kube_frame_kind { KUBE_FRAME_LIST, KUBE_FRAME_WATCH };

struct kube_frame_sink {
    /* One item of a list, or one line of a watch that is not blank, NUL-terminated behind its len; to be
     * parsed in place if one likes.  Other than OK ends it: kube_frame_add returns that. */
    enum status (*thing)(void *of, char *text, size_t len);
    void *of;
};

struct kube_frame; /* one body */

/* ERR_INVALID of add and end: not JSON as it should be (*err says at which byte).  A line of a watch is
 * not looked at: who gets it sees whether it is JSON, and the next one is a line again.  After a
 * failure each add fails. */
struct kube_frame *kube_frame_new(enum kube_frame_kind kind, size_t max,
                                  struct kube_frame_sink sink);
void kube_frame_free(struct kube_frame *f); /* NULL is fine */
enum status kube_frame_add(struct kube_frame *f, struct span bytes, struct err *err) NODISCARD;
/* The body has ended.  ERR_INVALID: in the middle of something. */
enum status kube_frame_end(struct kube_frame *f, struct err *err) NODISCARD;

/* Of a list, once it has ended: metadata.resourceVersion and metadata.continue, "" where there is none. */
const char *kube_frame_version(const struct kube_frame *f);
const char *kube_frame_continue(const struct kube_frame *f);
size_t kube_frame_oversize(const struct kube_frame *f); /* things left out */

#endif
