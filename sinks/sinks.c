/* SPDX-License-Identifier: Apache-2.0 */
#include "sinks.h"

#define DECLARE(name) extern const struct sink_ops sink_##name;
#define ENTRY(name)   &sink_##name,

SINKS(DECLARE)
static const struct sink_ops *const all[] = {SINKS(ENTRY) NULL};

const struct sink_ops *const *sink_all(void)
{
    return all;
}

const struct sink_ops *sink_find(const char *name)
{
    for (size_t i = 0; all[i]; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}
