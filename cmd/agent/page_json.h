/* SPDX-License-Identifier: Apache-2.0 */
/* page_json.h - what a page says, for other programs: an object a line (docs/CHECK.md). */
#ifndef PAGE_JSON_H
#define PAGE_JSON_H

#include "buf.h"
#include "check.h"

/* Each adds a line.  OK, or ERR_LIMIT with part of it added. */
enum status page_json_family(struct buf *out, const struct check_family *f) NODISCARD;
enum status page_json_sample(struct buf *out, size_t number,
                             const struct promtext_line *l) NODISCARD;
enum status page_json_fault(struct buf *out, const struct check_fault *f) NODISCARD;

#endif
