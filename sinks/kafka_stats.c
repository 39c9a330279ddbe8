/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_stats.c - librdkafka's statistics; the contract is in kafka_stats.h.
 *
 * Most of them is about topics, which stand last: only the object of the brokers is parsed. */
#include "kafka_stats.h"

#include <cjson/cJSON.h>

static double number(const cJSON *object, const char *name)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(n) ? n->valuedouble : 0;
}

static void add_broker(const cJSON *broker, int64_t age_us, struct kafka_stats *s)
{
    const char *state = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(broker, "state"));
    double rtt = number(cJSON_GetObjectItemCaseSensitive(broker, "rtt"), "avg");
    s->retries += (uint64_t)number(broker, "txretries");
    if (!state || strcmp(state, "UP") != 0)
        return;
    s->up++;
    s->connected += number(broker, "stateage") < (double)age_us;
    if (rtt > (double)s->round_trip_us)
        s->round_trip_us = (int64_t)rtt;
}

bool kafka_stats_read(const char *json, int64_t since_us, struct kafka_stats *ret)
{
    static const char ts[] = "\"ts\":", brokers[] = "\"brokers\":";
    const char *at = strstr(json, ts), *from = strstr(json, brokers), *end;
    if (!at || !from)
        return false;
    struct kafka_stats s = {.at_us = strtoll(at + sizeof ts - 1, NULL, 10)};
    cJSON *object = cJSON_ParseWithOpts(from + sizeof brokers - 1, &end, false);
    if (!cJSON_IsObject(object)) {
        cJSON_Delete(object);
        return false;
    }
    const cJSON *broker;
    int64_t age_us = since_us ? s.at_us - since_us : INT64_MAX;
    cJSON_ArrayForEach(broker, object) add_broker(broker, age_us, &s);
    cJSON_Delete(object);
    *ret = s;
    return true;
}
