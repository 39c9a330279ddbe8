/* SPDX-License-Identifier: Apache-2.0 */
/* tables.h - the settings of outputs and sinks, as they stand in the file. */
#ifndef TABLES_H
#define TABLES_H

#include "config.h"

struct output_read {
    char *name; /* "": <encoder>-<sink> */
    char *sink;
    int64_t max_message, max_samples;
    bool replicas;
};
extern const struct setting output_settings[];

struct sink_read {
    char *name;
    int64_t buffer;
    struct sink_spool spool;
};
extern const struct setting spool_settings[];
extern const struct setting sink_settings[];

#endif
