/* SPDX-License-Identifier: Apache-2.0 */
/* format.h - the exposition formats, and how a page in one is taken. */
#ifndef FORMAT_H
#define FORMAT_H

#include "text.h"

enum page_format {
    FORMAT_TEXT,        /* Prometheus text 0.0.4, and 1.0.0, which quotes names */
    FORMAT_OPENMETRICS, /* OpenMetrics 1.0; 2.0 as far as 1.0's words say it */
};

enum page_mode {
    MODE_SALVAGE, /* all that is sound is kept, the rest is dropped by reason */
    MODE_STRICT,  /* the page is refused at its first fault */
};

/* "text", "openmetrics"; "salvage", "strict": static. */
const char *page_format_name(enum page_format f);
const char *page_mode_name(enum page_mode m);

/* What a Content-Type says (RFC 9110, section 8.3: parameters, quoted ones too, in any case of
 * letters).  False: it is none of ours, and *ret as before. */
bool page_format_of(struct span content_type, enum page_format *ret) NODISCARD;

/* The first number of its parameter "version": 2 of "2.0.0".  0 without one, and of 0.0.4. */
unsigned page_format_version(struct span content_type);

#endif
