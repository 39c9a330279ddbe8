/* SPDX-License-Identifier: Apache-2.0 */
/* others.h - the candidates that are not scraped, as a list for people.
 *
 * Part of registry.c.  */
#ifndef OTHERS_H
#define OTHERS_H

#include "place.h"
#include "registry.h"

/* Those of ps, which its lock guards, in no order; as registry_others. */
size_t others_list(const struct places *ps, struct registry_other **ret);
void others_sort(struct registry_other *others, size_t n);

#endif
