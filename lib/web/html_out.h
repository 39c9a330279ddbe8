/* SPDX-License-Identifier: Apache-2.0 */
/* html_out.h - writes HTML for people: escapes, and numbers that can be read.
 *
 *     struct html_out h = HTML_OUT(&buf);
 *     html_out_raw(&h, "<p>");
 *     html_out_text(&h, pool->name);
 *
 * After the first write that does not fit, status is ERR_LIMIT and nothing more is written. */
#ifndef HTML_OUT_H
#define HTML_OUT_H

#include "buf.h"

struct html_out {
    struct buf *out;
    enum status status; /* OK or ERR_LIMIT */
};

#define HTML_OUT(buf_) ((struct html_out){.out = (buf_)})

void html_out_raw(struct html_out *h, const char *html);  /* as it is: a literal */
void html_out_text(struct html_out *h, const char *text); /* escaped; NULL: nothing */
void html_out_count(struct html_out *h, uint64_t n);      /* 1,234,567 */
void html_out_bytes(struct html_out *h, uint64_t bytes);  /* 1.2 MiB */
void html_out_span(struct html_out *h, int64_t ns);       /* 12 ms, 3.1 s, 4 min, 2 h, 5 d */
void html_out_ago(struct html_out *h, int64_t wall_ms);   /* "3.1 s ago"; 0: "never" */

#endif
