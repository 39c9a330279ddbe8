/* SPDX-License-Identifier: Apache-2.0 */
/* hostile.c - each misbehaviour is a text and a few marks. */
#include "hostile.h"

#define OUT_MAX ((size_t)4 << 20)

static const char good_page[] = "# HELP fine_total All is well.\n"
                                "# TYPE fine_total counter\n"
                                "fine_total{part=\"one\"} 1\n"
                                "fine_total{part=\"two\"} 2\n";
static const char bad_page[] = "# TYPE fine_total counter\n"
                               "fine_total{part=\"one\"} 1\n"
                               "fine_total{part=\"two} 2\n"
                               "fine_total{part=\"three\"} 3\n";
static const char html_page[] = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n"
                                "<body><h1>Sign in</h1><p>Please sign in.</p></body></html>\n";

const char *hostile_name(enum hostile_mode mode)
{
    static const char *const names[] = {"hang",    "dribble", "slowheaders", "hugeheaders", "large",
                                        "bomb",    "status",  "cut",         "redirect",    "html",
                                        "badline", "flap",    "gone"};
    return names[mode];
}

static void put(struct hostile *h, const void *data, size_t n)
{
    if (buf_add(&h->out, data, n) != OK) {
        fprintf(stderr, "hostile: more than %zu bytes\n", OUT_MAX);
        exit(1);
    }
}

static void put_text(struct hostile *h, const char *text)
{
    put(h, text, strlen(text));
}

static void begin(struct hostile *h)
{
    h->active = true;
    h->out = (struct buf)BUF_INIT(OUT_MAX);
}

static void put_head(struct hostile *h, int status, const char *type, const char *more,
                     uint64_t length)
{
    if (buf_printf(&h->out,
                   "HTTP/1.1 %d Some words\r\nContent-Type: %s\r\n%sContent-Length: %llu\r\n\r\n",
                   status, type, more, (unsigned long long)length) != OK)
        exit(1);
}

void hostile_text(struct hostile *h, int status, const char *type, struct span body)
{
    begin(h);
    put_head(h, status, type, "", body.len);
    put(h, body.data, body.len);
}

static void answer(struct hostile *h, int status, const char *text)
{
    hostile_text(h, status, "text/plain; version=0.0.4", (struct span){text, strlen(text)});
}

static uint64_t argument(const char *path, const char *name)
{
    const char *at = strstr(path, name);
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* Lines of one length, sent again and again. */
static void large(struct hostile *h, uint64_t bytes)
{
    enum { LINE = 64, LINES = 1024 };
    char line[LINE + 1];
    uint64_t lines = bytes > 0 ? (bytes + LINE - 1) / LINE : LINES;
    if (lines > LINES)
        lines = (lines + LINES - 1) / LINES * LINES;
    begin(h);
    if (bytes > 0)
        put_head(h, 200, "text/plain; version=0.0.4", "", lines * LINE);
    else
        put_text(h, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n");
    h->chunk = h->out.len;
    if (bytes == 0)
        put_text(h, "10000\r\n");
    for (uint64_t i = 0; i < LINES && i < lines; i++) {
        snprintf(line, sizeof line, "large_page_line{number=\"%010u\",padding=\"%014u\"} 1\n",
                 (unsigned)i, (unsigned)i);
        put(h, line, LINE);
    }
    if (bytes == 0)
        put_text(h, "\r\n");
    h->again = bytes == 0 ? UINT64_MAX : (lines - 1) / LINES;
}

struct bits {
    struct hostile *h;
    uint32_t held, len;
};

static void put_bits(struct bits *b, uint32_t value, uint32_t len)
{
    b->held |= value << b->len;
    for (b->len += len; b->len >= 8; b->len -= 8, b->held >>= 8)
        put(b->h, &(uint8_t){(uint8_t)b->held}, 1);
}

/* A Huffman code goes in with its highest bit first. */
static void put_code(struct bits *b, uint32_t code, uint32_t len)
{
    while (len-- > 0)
        put_bits(b, code >> len & 1, 1);
}

/* Deflate with fixed codes: "a 1\n", then matches of 258 bytes four back; 13 bits each. */
static void bomb(struct hostile *h)
{
    enum { MATCHES = 400000 };
    static const uint8_t gzip[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    static const uint8_t trailer[8];
    struct bits b = {.h = h};
    begin(h);
    put_head(h, 200, "text/plain; version=0.0.4", "Content-Encoding: gzip\r\n",
             sizeof gzip + (3 + 4 * 8 + MATCHES * 13 + 7 + 7) / 8 + sizeof trailer);
    put(h, gzip, sizeof gzip);
    put_bits(&b, 1 | 1 << 1, 3); /* the last block, fixed codes */
    for (const char *c = "a 1\n"; *c; c++)
        put_code(&b, 0x30 + (uint32_t)*c, 8);
    for (int i = 0; i < MATCHES; i++) {
        put_code(&b, 0xc5, 8); /* length 258 */
        put_code(&b, 3, 5);    /* distance 4 */
    }
    put_code(&b, 0, 7); /* the end */
    put_bits(&b, 0, 7); /* fills the last byte */
    put(h, trailer, sizeof trailer);
}

static void huge_headers(struct hostile *h)
{
    char line[1024];
    begin(h);
    put_text(h, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 64; i++) {
        snprintf(line, sizeof line, "X-Padding-%02d: %0990d\r\n", i, 0);
        put_text(h, line);
    }
    put_text(h, "Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n");
}

static void cut(struct hostile *h)
{
    begin(h);
    put_head(h, 200, "text/plain; version=0.0.4", "", 2 * (sizeof good_page - 1));
    put_text(h, good_page);
    h->cuts = true;
}

static void slow(struct hostile *h, bool headers_too)
{
    answer(h, 200, good_page);
    h->drips = true;
    h->chunk = headers_too ? 0 : h->out.len - (sizeof good_page - 1);
}

static void redirect(struct hostile *h)
{
    begin(h);
    put_head(h, 302, "text/plain", "Location: /t/0\r\n", 0);
}

static void gone(struct hostile *h, uint64_t after)
{
    static uint64_t requests;
    if (requests++ < after) {
        answer(h, 200, good_page);
    } else {
        begin(h);
        h->cuts = true;
    }
}

static enum hostile_mode mode_of(const char *path)
{
    for (enum hostile_mode i = 0; i < HOSTILE_MODES; i++) {
        size_t len = strlen(hostile_name(i));
        if (strncmp(path + 1, hostile_name(i), len) == 0 && strchr("?", path[1 + len]))
            return i;
    }
    return HOSTILE_MODES;
}

enum hostile_mode hostile_begin(struct hostile *h, const char *path, const char *rest)
{
    static uint64_t flaps;
    enum hostile_mode mode = *path == '/' ? mode_of(path) : HOSTILE_MODES;
    const char *accepts = strcasestr(rest, "\r\nAccept-Encoding:");
    const char *gzip = accepts ? strstr(accepts, "gzip") : NULL;
    switch (mode) {
    case HOSTILE_HANG: begin(h), h->silent = true; break;
    case HOSTILE_DRIBBLE: slow(h, false); break;
    case HOSTILE_SLOWHEADERS: slow(h, true); break;
    case HOSTILE_HUGEHEADERS: huge_headers(h); break;
    case HOSTILE_LARGE: large(h, argument(path, "bytes=")); break;
    case HOSTILE_BOMB: gzip ? bomb(h) : answer(h, 200, good_page); break;
    case HOSTILE_STATUS: answer(h, (int)(argument(path, "code=") % 1000), "no\n"); break;
    case HOSTILE_CUT: cut(h); break;
    case HOSTILE_REDIRECT: redirect(h); break;
    case HOSTILE_HTML:
        hostile_text(h, 200, "text/html", (struct span){html_page, sizeof html_page - 1});
        break;
    case HOSTILE_BADLINE: answer(h, 200, bad_page); break;
    case HOSTILE_FLAP: answer(h, flaps++ % 2 ? 503 : 200, good_page); break;
    case HOSTILE_GONE: gone(h, argument(path, "after=")); break;
    case HOSTILE_MODES: answer(h, 404, "no such page\n"); return HOSTILE_STATUS;
    }
    return mode;
}

bool hostile_again(struct hostile *h)
{
    if (!h->active || h->again == 0)
        return false;
    h->again--;
    h->sent = h->chunk;
    return true;
}

void hostile_done(struct hostile *h)
{
    if (h->active)
        buf_done(&h->out);
    *h = (struct hostile){0};
}
