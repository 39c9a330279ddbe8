/* SPDX-License-Identifier: Apache-2.0 */
/* regex.h - regular expressions of operators, on PCRE2.
 *
 * Anchored at both ends, as users of this field know it: "go_.*" does not match
 * "cgo_calls".  Compiled with JIT where there is one.  Matching is bounded: an
 * expression that runs away does not match, and is counted.  */
#ifndef REGEX_H
#define REGEX_H

#include "buf.h"
#include "text.h"

#define REGEX_MAX         8192   /* bytes of an expression */
#define REGEX_MATCH_LIMIT 100000 /* steps of one match */

struct regex;

/* ERR_INVALID: *err says what is wrong, and at which character. */
enum status regex_new(struct regex **ret, const char *expression, struct err *err) NODISCARD;
void regex_free(struct regex *r); /* NULL is fine */

/* Any thread; r is never changed. */
bool regex_match(const struct regex *r, struct span text);

/* Puts template, filled in from a match of text, behind what out holds:
 *     $1 ${1} $name ${name}    what that group matched; $0 all of it
 *     $$                       a dollar
 * As Go's Expand does it: the longest run of letters, digits and '_' is the name, so $1x is
 * the group "1x" and ${1}x group 1; a group that took no part, or that there is not, is
 * empty; a dollar that begins none of these stands for itself.  Letters are those of ASCII.
 * *ret_matched: whether text matched; else out is unchanged.  text does not lie in out.  OK, or
 * ERR_LIMIT as buf.h says it, with out as it was.  Any thread. */
enum status regex_replace(const struct regex *r, struct span text, const char *template,
                          struct buf *out, bool *ret_matched) NODISCARD;

/* Matches that were given up at the limit, of all expressions since start. */
uint64_t regex_limited(void);

#endif
