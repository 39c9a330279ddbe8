/* SPDX-License-Identifier: Apache-2.0 */
/* config_read.h - the sections of the file, each read into its part of the config.
 *
 * Called in the order of this list: outputs name sinks, sources name pools.  What is wrong is
 * added to faults; a faulty entry is kept as far as it goes, for those that name it.  */
#ifndef CONFIG_READ_H
#define CONFIG_READ_H

#include "fill.h"

#define MAX_LANES   255
#define MAX_ENTRIES 1000 /* of a list */

struct config_reader {
    struct config *config;
    struct faults *faults;
    size_t lanes;    /* outputs so far, of all pools */
    bool labels_bad; /* those of the agent: sources are checked without them */
};

/* n may be NULL: the section is not there. */
void read_agent(struct config_reader *r, const struct yaml_node *n);
void read_sinks(struct config_reader *r, const struct yaml_node *n);
void read_pools(struct config_reader *r, const struct yaml_node *n);
void read_sources(struct config_reader *r, const struct yaml_node *n);

/* Fills the identities of a config without fault.  OK, or ERR_LIMIT: it is too large. */
enum status config_identify(struct config *c) NODISCARD;

/* How many entries of n to read, at most max; a fault when it is no list, or longer. */
size_t read_list_len(struct faults *f, const struct yaml_node *n, const char *what, size_t max);

#define SPOOL_MESSAGES 16 /* that a spool has room for at least */

#endif
