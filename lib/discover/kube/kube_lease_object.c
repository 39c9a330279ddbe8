/* SPDX-License-Identifier: Apache-2.0 */
#include "kube_lease_object.h"

#include "clock.h"

#include <stdlib.h>

#define LASTS_MAX_S 3600.0 /* as kube_lease.c allows */

static const cJSON *at(const cJSON *o, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(o, key);
}

static const char *string_at(const cJSON *o, const char *key)
{
    const cJSON *v = at(o, key);
    return cJSON_IsString(v) ? v->valuestring : "";
}

static double number_at(const cJSON *o, const char *key)
{
    const cJSON *v = at(o, key);
    return cJSON_IsNumber(v) && v->valuedouble > 0 ? v->valuedouble : 0;
}

/* cJSON says NULL when there is no memory; as with mem.h that ends the process. */
static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

static uint64_t read_version(const char *text)
{
    uint64_t n = 0;
    for (; *text >= '0' && *text <= '9' && n < UINT64_MAX / 10 - 1; text++)
        n = n * 10 + (uint64_t)(*text - '0');
    return *text ? 0 : n;
}

enum status kube_lease_object_read(struct kube_lease_object *ret, const cJSON *json,
                                   struct err *err)
{
    const cJSON *spec = at(json, "spec");
    if (!cJSON_IsObject(at(json, "metadata")) || (spec && !cJSON_IsObject(spec)))
        return err_set(err, ERR_INVALID, "that is no lease");
    cJSON *copy = must(cJSON_Duplicate(json, true));
    spec = at(copy, "spec");
    double lasts = number_at(spec, "leaseDurationSeconds");
    *ret = (struct kube_lease_object){
        .json = copy,
        .version = read_version(string_at(at(copy, "metadata"), "resourceVersion")),
        .holder = string_at(spec, "holderIdentity"),
        .lasts_ns = (int64_t)(lasts < LASTS_MAX_S ? lasts : LASTS_MAX_S) * SEC_NS};
    return OK;
}

void kube_lease_object_done(struct kube_lease_object *o)
{
    cJSON_Delete(o->json);
    *o = (struct kube_lease_object){.holder = ""};
}

static void put(cJSON *in, const char *key, cJSON *value)
{
    while (at(in, key))
        cJSON_DeleteItemFromObjectCaseSensitive(in, key);
    cJSON_AddItemToObject(in, key, must(value));
}

/* A MicroTime: six digits. */
static void put_time(cJSON *in, const char *key, int64_t wall_ms)
{
    char text[CLOCK_TEXT + 4];
    clock_format(text, wall_ms);
    memcpy(text + CLOCK_TEXT - 1, "000Z", sizeof "000Z");
    put(in, key, cJSON_CreateString(text));
}

static cJSON *member(cJSON *of, const char *key)
{
    cJSON *o = cJSON_GetObjectItemCaseSensitive(of, key);
    return o ? o : must(cJSON_AddObjectToObject(of, key));
}

char *kube_lease_object_write(const struct kube_lease_object *o, const char *ns, const char *name,
                              const char *holder, int64_t duration_ns, int64_t wall_ms)
{
    cJSON *json = must(o->json ? cJSON_Duplicate(o->json, true) : cJSON_CreateObject());
    if (!o->json) {
        put(json, "apiVersion", cJSON_CreateString("coordination.k8s.io/v1"));
        put(json, "kind", cJSON_CreateString("Lease"));
        cJSON *meta = member(json, "metadata");
        put(meta, "name", cJSON_CreateString(name));
        put(meta, "namespace", cJSON_CreateString(ns));
    }
    cJSON *spec = member(json, "spec");
    double transitions = number_at(spec, "leaseTransitions");
    if (*holder && (!o->json || strcmp(o->holder, holder) != 0)) {
        put_time(spec, "acquireTime", wall_ms);
        transitions += o->json && transitions < INT32_MAX; /* which is what it may hold */
    }
    int64_t seconds = *holder ? (duration_ns + SEC_NS - 1) / SEC_NS : 1;
    put(spec, "holderIdentity", cJSON_CreateString(holder));
    put(spec, "leaseDurationSeconds", cJSON_CreateNumber((double)seconds));
    put_time(spec, "renewTime", wall_ms);
    put(spec, "leaseTransitions", cJSON_CreateNumber(transitions));
    char *text = must(cJSON_PrintUnformatted(json));
    cJSON_Delete(json);
    return text;
}
