/* SPDX-License-Identifier: Apache-2.0 */
#include "kind.h"

#include "discover.h"
#include "encoders.h"
#include "filters.h"
#include "sinks.h"

const char *kind_set_name(enum kind_set set)
{
    static const char *const names[] = {"source", "filter", "encoder", "sink"};
    return names[set];
}

#define KIND(o)                                                                    \
    ((o) ? (struct kind){(o)->name, (o)->help, (o)->settings, (o)->conf_size, (o)} \
         : (struct kind){.name = NULL})

struct kind kind_at(enum kind_set set, size_t i)
{
    switch (set) {
    case KIND_SOURCE: return KIND(source_all()[i]);
    case KIND_FILTER: return KIND(filter_all()[i]);
    case KIND_ENCODER: return KIND(encoder_all()[i]);
    case KIND_SINK: return KIND(sink_all()[i]);
    }
    return (struct kind){.name = NULL};
}

struct kind kind_find(enum kind_set set, const char *name)
{
    struct kind k = kind_at(set, 0);
    for (size_t i = 1; k.name && strcmp(k.name, name) != 0; i++)
        k = kind_at(set, i);
    return k;
}
