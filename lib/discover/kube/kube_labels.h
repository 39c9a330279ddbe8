/* SPDX-License-Identifier: Apache-2.0 */
/* kube_labels.h - labels of something found, while they are put together.
 *
 *     kube_labels_meta(&l, pod, false)                what is the same for all ports
 *     size_t mark = kube_labels_mark(&l);
 *     kube_labels_add(&l, "__address__", ...)         what is of one port
 *     kube_labels_back(&l, mark)
 *
 * A name is there once: the later one wins.  Text that is handed in is borrowed, text that is made
 * lives until done.  Part of kube_found.c.  */
#ifndef KUBE_LABELS_H
#define KUBE_LABELS_H

#include "base.h"
#include "kube_object.h"

struct kube_labels_chunk;
struct kube_labels {
    struct label *all;
    size_t len, cap;
    struct kube_labels_chunk *chunks;
};

void kube_labels_done(struct kube_labels *l);
DEFINE_AUTO(kube_labels, kube_labels_done)

void kube_labels_add(struct kube_labels *l, const char *name, const char *value);

/* Text that lives as long as l. */
const char *kube_labels_text(struct kube_labels *l, const char *fmt, ...) PRINTF(2, 3);

/* A mark, and what was added since taken back; of a name that was there before it stays the
 * later value, so such names are not to be added behind a mark. */
size_t kube_labels_mark(const struct kube_labels *l);
void kube_labels_back(struct kube_labels *l, size_t mark);

/* __meta_kubernetes_* of the object itself, as Prometheus' kubernetes_sd_configs name them. */
void kube_labels_meta(struct kube_labels *l, const struct kube_object *o);
/* Of one of its ports. */
void kube_labels_meta_port(struct kube_labels *l, const struct kube_object *o,
                           const struct kube_port *port);
/* Of a pod behind a service, and of a port that the service calls port->name there: those of the pod, and those
 * of the endpoint that it is. */
void kube_labels_meta_selected(struct kube_labels *l, const struct kube_object *service,
                               const struct kube_object *pod);
void kube_labels_meta_selected_port(struct kube_labels *l, const struct kube_object *pod,
                                    const struct kube_port *port);
void kube_labels_meta_endpoint(struct kube_labels *l, const struct kube_endpoint *e);

#endif
