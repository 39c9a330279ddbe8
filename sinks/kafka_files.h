/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_files.h - whether the files of certificates are still those that a producer has read. */
#ifndef KAFKA_FILES_H
#define KAFKA_FILES_H

#include "http.h"

#include <sys/stat.h>

struct kafka_files {
    struct stat stamps[3]; /* zeroed: no file, or none that is there */
    int64_t looked_ns;
};

/* Remembers the files of tls as they are now. */
void kafka_files_note(struct kafka_files *f, const struct tls_conf *tls);

/* Whether one of them is another one now, or has changed; looks once a second at most. */
bool kafka_files_changed(struct kafka_files *f, const struct tls_conf *tls);

#endif
