/* SPDX-License-Identifier: Apache-2.0 */
/* number.h - doubles from and to text, with '.' in every locale. */
#ifndef NUMBER_H
#define NUMBER_H

#include "err.h"
#include "text.h"

#define NUMBER_MAX  128 /* bytes; a longer number is refused */
#define NUMBER_ROOM 32  /* bytes that number_print may need */

/* All of text: decimal, or NaN, Inf, Infinity with an optional sign in any case;
 * no hexadecimal, no white space, no '_'.  Rounded as strtod does.  *ret_plain
 * (may be NULL): text is a number as JSON writes it (no '+', no "1.", no "007"),
 * so that it may be passed on as it is.  OK or ERR_INVALID. */
enum status number_parse(struct span text, double *ret, bool *ret_plain) NODISCARD;

/* Writes the shortest of 15 to 17 digits that parses back to v; "NaN", "+Inf",
 * "-Inf".  Returns the length; no NUL is written. */
size_t number_print(char out[NUMBER_ROOM], double v);

#endif
