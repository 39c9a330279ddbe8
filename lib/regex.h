/* SPDX-License-Identifier: Apache-2.0 */
/* regex.h - regular expressions of operators, on PCRE2.
 *
 * Anchored at both ends, as users of this field know it: "go_.*" does not match
 * "cgo_calls".  Compiled with JIT where there is one.  Matching is bounded: an
 * expression that runs away does not match, and is counted.  */
#ifndef REGEX_H
#define REGEX_H

#include "err.h"
#include "text.h"

#define REGEX_MAX         8192   /* bytes of an expression */
#define REGEX_MATCH_LIMIT 100000 /* steps of one match */

struct regex;

/* ERR_INVALID: *err says what is wrong, and at which character. */
enum status regex_new(struct regex **ret, const char *expression, struct err *err) NODISCARD;
void regex_free(struct regex *r); /* NULL is fine */

/* Any thread; r is never changed. */
bool regex_match(const struct regex *r, struct span text);

/* Matches that were given up at the limit, of all expressions since start. */
uint64_t regex_limited(void);

#endif
