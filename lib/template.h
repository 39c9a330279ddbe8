/* SPDX-License-Identifier: Apache-2.0 */
/* template.h - text with names in braces, filled in from a target.
 *
 *     template_new(&t, "metrics.{namespace}.{pod}", "unknown", is_legal, &err);
 *     template_render(t, target, &out);           metrics.shop.cart-0
 *
 * A name is a label of the target, or one of these:
 *
 *     {pool} {source}   names of the target's pool and source
 *     {target}          its id
 *     {instance}        label instance, else host:port of its URL
 *     {job}             label job, else the name of its source
 *
 * A target without that label gives the fallback.  Each byte of a value that is not legal
 * becomes '_'; the text outside the braces stays as it is, its writer answers for it.
 * There is no way to write a brace.  Immutable: any thread.  */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include "buf.h"
#include "target.h"

#define TEMPLATE_MAX 1024 /* bytes of a template's text */

struct template;

/* Of a byte of a value; bytes of 128 and more are parts of a UTF-8 character. */
typedef bool template_legal(unsigned char c);

/* fallback is copied and taken as it is.  ERR_INVALID, with the column (from 1) of what is
 * wrong: a brace that is not closed or not open, a name that is no name of a label. */
enum status template_new(struct template **ret, const char *text, const char *fallback,
                         template_legal *legal, struct err *err) NODISCARD;
void template_free(struct template *t); /* NULL is fine */
DEFINE_AUTO_PTR(template, template_free)

/* Behind what out holds.  OK, or ERR_LIMIT as buf.h says it; out may then hold a part. */
enum status template_render(const struct template *t, const struct target *target,
                            struct buf *out) NODISCARD;

#endif
