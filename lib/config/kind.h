/* SPDX-License-Identifier: Apache-2.0 */
/* kind.h - what a source, filter, encoder or sink can be, seen alike. */
#ifndef KIND_H
#define KIND_H

#include "setting.h"

enum kind_set { KIND_SOURCE, KIND_FILTER, KIND_ENCODER, KIND_SINK };

struct kind {
    const char *name, *help; /* name NULL: there is none */
    const struct setting *settings;
    size_t conf_size;
    const void *ops; /* struct source_ops, filter_ops, ... */
};

const char *kind_set_name(enum kind_set set); /* "source", ...: static */

/* Number i of them; name NULL behind the last. */
struct kind kind_at(enum kind_set set, size_t i);
struct kind kind_find(enum kind_set set, const char *name);

#endif
