/* SPDX-License-Identifier: Apache-2.0 */
/* sources.h - the sources there are. */
#ifndef SOURCES_H
#define SOURCES_H

#include "source.h"

#define SOURCES(SOURCE) \
    SOURCE(static)      \
    SOURCE(kubernetes)  \
    SOURCE(file)

/* The source of that name, or NULL. */
const struct source_ops *source_find(const char *name);

/* All of them, ended by NULL; for --help, docs and tests. */
const struct source_ops *const *source_all(void);

#endif
