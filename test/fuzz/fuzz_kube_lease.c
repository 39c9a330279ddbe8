/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_kube_lease.c - any JSON is a lease or none; what is written into it is read from it. */
#include "clock.h"
#include "kube_lease_object.h"

#include <assert.h>

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {"{",
                                  "}",
                                  ":",
                                  ",",
                                  "\"\"",
                                  "null",
                                  "1e999",
                                  "-1",
                                  "4294967296",
                                  "\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\"}",
                                  "\"metadata\":{}",
                                  "\"resourceVersion\":",
                                  "\"99999999999999999999\"",
                                  "\"spec\":{",
                                  "\"holderIdentity\":",
                                  "\"me\"",
                                  "\"leaseDurationSeconds\":",
                                  "\"leaseTransitions\":",
                                  "\"acquireTime\":",
                                  NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_and_read(const struct kube_lease_object *o, const char *holder)
{
    char *text = kube_lease_object_write(o, "ns", "a", holder, 12 * SEC_NS, INT64_C(1795271160000));
    cJSON *json = cJSON_Parse(text);
    struct kube_lease_object back;
    enum status s = kube_lease_object_read(&back, json, NULL);
    assert(s == OK);
    assert(strcmp(back.holder, holder) == 0);
    assert(back.version == o->version);
    assert(back.lasts_ns == (*holder ? 12 : 1) * SEC_NS);
    kube_lease_object_done(&back);
    cJSON_Delete(json);
    cJSON_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kube_lease_object o;
    cJSON *json = cJSON_ParseWithLength((const char *)data, size);
    if (json && kube_lease_object_read(&o, json, NULL) == OK) {
        assert(o.lasts_ns >= 0 && o.lasts_ns <= 3600 * SEC_NS);
        write_and_read(&o, "me");
        write_and_read(&o, "");
        kube_lease_object_done(&o);
    }
    cJSON_Delete(json);
    return 0;
}
