/* SPDX-License-Identifier: Apache-2.0 */
/* kube_read.h - Kubernetes objects from JSON with ' for ", for tests. */
#ifndef KUBE_READ_H
#define KUBE_READ_H

#include "kube_object.h"
#include "mem.h"

static inline cJSON *json_read(const char *quoted)
{
    char *text = mem_strdup(quoted);
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    cJSON *json = cJSON_Parse(text);
    mem_free(text);
    return json;
}

static inline struct kube_object *kube_read(enum kube_kind kind, const char *quoted)
{
    cJSON *json = json_read(quoted);
    struct kube_object *o = kube_object_new(kind, json);
    cJSON_Delete(json);
    return o;
}

#endif
