/* SPDX-License-Identifier: Apache-2.0 */
#include "sources.h"

#define DECLARE(name) extern const struct source_ops source_##name;
#define ENTRY(name)   &source_##name,

SOURCES(DECLARE)
static const struct source_ops *const all[] = {SOURCES(ENTRY) NULL};

const struct source_ops *const *source_all(void)
{
    return all;
}

const struct source_ops *source_find(const char *name)
{
    for (size_t i = 0; all[i]; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}
