/* SPDX-License-Identifier: Apache-2.0 */
/* faults.h - collects what is wrong with a file. */
#ifndef FAULTS_H
#define FAULTS_H

#include "config.h"
#include "yaml.h"

/* At the place of the node; NULL: of the file as a whole.  Control characters become '?'. */
void fault_add(struct faults *f, const struct yaml_node *at, const char *fmt, ...) PRINTF(3, 4);
void fault_add_at(struct faults *f, unsigned line, unsigned column, const char *text);

size_t fault_count(const struct faults *f); /* of those kept and those not */
void faults_sort(struct faults *f);         /* by place */

#endif
