/* SPDX-License-Identifier: Apache-2.0 */
/* file_sd.h - the format of Prometheus' file_sd: JSON or YAML, a list of groups.
 *
 *     [{"targets": ["10.0.0.1:9100", "10.0.0.2:9100"], "labels": {"env": "prod"}}]  */
#ifndef FILE_SD_H
#define FILE_SD_H

#include "setting.h"
#include "text.h"

#define FILE_SD_BYTES ((size_t)16 << 20) /* of one file */
#define FILE_SD_NODES ((size_t)500000)   /* of values in it, with those of aliases */

/* Looks at the whole text and then calls add for each target, in its order; what add gets is
 * valid for this call only.  other_keys: groups may have keys that are none of ours, as
 * Prometheus has it for JSON.  ERR_INVALID, ERR_LIMIT: *err says "LINE:COLUMN: what is wrong",
 * and add was not called.  An empty text is a fault, for a file that is being written is
 * empty at first; [] says that there is no target. */
enum status file_sd_read(struct span text, bool other_keys,
                         void (*add)(void *to, const char *url, const struct text_map *labels),
                         void *to, struct err *err) NODISCARD;

#endif
