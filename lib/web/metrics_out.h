/* SPDX-License-Identifier: Apache-2.0 */
/* metrics_out.h - writes Prometheus text 0.0.4.
 *
 *     struct metrics_out m = METRICS_OUT(&buf);
 *     metrics_out_family(&m, "strata_ready", "gauge", "1 once ...");
 *     metrics_out_uint(&m, "", NULL, 1);
 *     return m.status;
 *
 * After the first write that does not fit, status is ERR_LIMIT and nothing more is written. */
#ifndef METRICS_OUT_H
#define METRICS_OUT_H

#include "buf.h"
#include "text.h"

struct metrics_out {
    struct buf *out;
    enum status status; /* OK or ERR_LIMIT */
    const char *name;   /* of the family begun last; outlives it */
};

#define METRICS_OUT(buf_) ((struct metrics_out){.out = (buf_)})

void metrics_out_family(struct metrics_out *m, const char *name, const char *type,
                        const char *help);

/* A sample of the family: suffix is "" or one like "_sum"; labels end with .name NULL, or are
 * NULL. */
void metrics_out_uint(struct metrics_out *m, const char *suffix, const struct label *labels,
                      uint64_t n);
void metrics_out_double(struct metrics_out *m, const char *suffix, const struct label *labels,
                        double d);

#endif
