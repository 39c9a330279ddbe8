/* SPDX-License-Identifier: Apache-2.0 */
/* read_output.h - the outputs of a pool. */
#ifndef READ_OUTPUT_H
#define READ_OUTPUT_H

#include "config_read.h"

/* n: the pool's entry. */
void read_outputs(struct config_reader *r, const struct yaml_node *n, struct pool_entry *p);

#endif
