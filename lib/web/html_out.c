/* SPDX-License-Identifier: Apache-2.0 */
/* html_out.c - what a browser must not take for markup, and units. */
#include "html_out.h"

#include "clock.h"
#include "text.h"

#include <inttypes.h>

static void add(struct html_out *h, const char *data, size_t n)
{
    if (h->status == OK)
        h->status = buf_add(h->out, data, n);
}

void html_out_raw(struct html_out *h, const char *html)
{
    add(h, html, strlen(html));
}

static const char *entity(unsigned char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return c < ' ' || c == 0x7f ? " " : NULL;
    }
}

void html_out_text(struct html_out *h, const char *text)
{
    if (!text)
        return;
    bool utf8 = text_is_utf8((struct span){text, strlen(text)});
    for (; *text && h->status == OK; text++) {
        const char *instead = entity((unsigned char)*text);
        if (!instead && (unsigned char)*text >= 0x80 && !utf8)
            instead = "?";
        add(h, instead ? instead : text, instead ? strlen(instead) : 1);
    }
}

void html_out_count(struct html_out *h, uint64_t n)
{
    char digits[24], out[32];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
    size_t at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    add(h, out, at);
}

void html_out_bytes(struct html_out *h, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    double n = (double)bytes;
    for (; n >= 1024 && unit + 1 < ARRAY_LEN(units); unit++)
        n /= 1024;
    char text[64];
    snprintf(text, sizeof text, "%.*f %s", unit > 0 && n < 100 ? 1 : 0, n, units[unit]);
    html_out_raw(h, text);
}

void html_out_span(struct html_out *h, int64_t ns)
{
    static const struct {
        double from, unit;
        const char *name;
    } units[] = {{86400 * 2, 86400, "d"}, {3600 * 2, 3600, "h"}, {120, 60, "min"}, {1, 1, "s"}};
    double s = ns > 0 ? (double)ns / (double)SEC_NS : 0;
    char text[64];
    snprintf(text, sizeof text, "%.*f ms", s < 0.01 && s > 0 ? 1 : 0, s * 1000);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (s >= units[i].from) {
            double n = s / units[i].unit;
            snprintf(text, sizeof text, "%.*f %s", n < 10 ? 1 : 0, n, units[i].name);
            break;
        }
    }
    html_out_raw(h, text);
}

void html_out_ago(struct html_out *h, int64_t wall_ms)
{
    if (wall_ms == 0) {
        html_out_raw(h, "never");
        return;
    }
    int64_t ago = clock_wall_ms() - wall_ms;
    html_out_span(h, ago < INT64_MAX / MS_NS ? ago * MS_NS : INT64_MAX);
    html_out_raw(h, " ago");
}
