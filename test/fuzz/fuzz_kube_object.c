/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_kube_object.c - any JSON is an object or none; what is found there is told by clean labels. */
#include "kube_found.h"

#include <assert.h>

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {"{",
                                  "}",
                                  "[",
                                  "]",
                                  ":",
                                  ",",
                                  "\"\"",
                                  "null",
                                  "true",
                                  "1",
                                  "65536",
                                  "\"metadata\":{\"name\":\"a\",\"uid\":\"b\"}",
                                  "\"annotations\":",
                                  "\"prometheus.io/scrape\":\"true\"",
                                  "\"prometheus.io/port\":",
                                  "\"1,2,x\"",
                                  "\"labels\":",
                                  "\"spec\":",
                                  "\"status\":",
                                  "\"podIP\":\"::1\"",
                                  "\"containers\":",
                                  "\"initContainers\":",
                                  "\"ports\":",
                                  "\"containerPort\":",
                                  "\"endpoints\":",
                                  "\"addresses\":",
                                  NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(void *of, const struct kube_found *f)
{
    size_t *n = of;
    assert(f->id && f->labels_len > 0);
    for (size_t i = 0; i < f->labels_len; i++)
        assert(f->labels[i].name[0] && f->labels[i].value);
    ++*n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char prefix[] = "prometheus.io";
    cJSON *json = cJSON_ParseWithLength((const char *)data, size);
    struct kube_object *o[3];
    size_t n = 0;
    struct kube_found_sink sink = {look, &n};
    for (unsigned kind = KUBE_POD; kind <= KUBE_SLICE; kind++)
        o[kind] = kube_object_new((enum kube_kind)kind, json);
    cJSON_Delete(json);
    assert(!o[KUBE_POD] == !o[KUBE_SERVICE] && !o[KUBE_POD] == !o[KUBE_SLICE]);
    for (unsigned how = 0; o[KUBE_POD] && how < 4; how++) {
        struct kube_found_conf c = {
            .prefix = prefix, .annotations = how & 1, .meta = (how & 2) != 0};
        n = 0;
        kube_found_pod(&c, o[KUBE_POD], sink);
        assert(n > 0);
        kube_found_service(&c, o[KUBE_SERVICE], sink);
        kube_found_selected(&c, o[KUBE_SERVICE], o[KUBE_POD], sink);
        kube_found_slice(&c, o[KUBE_SERVICE], o[KUBE_SLICE], sink);
    }
    for (unsigned kind = KUBE_POD; kind <= KUBE_SLICE; kind++)
        kube_object_free(o[kind]);
    return 0;
}
