/* SPDX-License-Identifier: Apache-2.0 */
/* script_pages.h - pages for tests of encoders that keep how one series is written behind another. */
#ifndef SCRIPT_PAGES_H
#define SCRIPT_PAGES_H

#include "extra.h"

enum { MOST = 1 << 20 };

/* Three series, and three more. */
#define PODS                                                       \
    "# TYPE pods gauge\npods{ns=\"shop\",pod=\"cart-5d8f\"} 1.5\n" \
    "pods{ns=\"shop\",pod=\"mail-77aa\"} 2\npods{ns=\"front\",pod=\"mail-77aa\"} 33\n"
#define REST       "# TYPE rest counter\nrest_total{code=\"200\"} 170\nrest_total{code=\"500\"} 0\nup 1\n"
#define REST_LATER "rest_total{code=\"200\"} 171\nrest_total{code=\"500\"} 17000.25\nup 0\n"

/* One after the other: what stands before a series changes. */
static const char *const script_orders[] = {
    PODS REST,
    REST PODS,
    "up 1\npods{ns=\"front\",pod=\"mail-77aa\"} 33\npods{ns=\"shop\",pod=\"cart-5d8f\"} 1.5\n",
    PODS,
    REST,
    "# TYPE pods counter\n" PODS,
    PODS "pods{ns=\"shop\",pod=\"cart-5d8f-and-one-whose-name-is-long\"} 4\n" REST,
    PODS REST};

/* With times that take more and fewer bytes, equal ones, one before 1970. */
#define SCRIPT_TIMES                                                             \
    "a{x=\"1\"} 1 1795271160122\na{x=\"2\"} 1 1795271160123\n"                   \
    "a{x=\"3\"} 1\na{x=\"4\"} 4 1795271100000\na{x=\"5\"} 5 0\n"                 \
    "a{x=\"6\"} 6 1795271160122\nb 0 1\nc 2 1\nd 3 4398046511103\n"              \
    "e 3 4398046511104\nf 3 4398046511104\ng 3 1099511627776\nh 3 34359738368\n" \
    "i 3 34359738367\nj 3 -1\n"

/* PODS REST as a filter leaves them: the samples whose bits are set. */
static inline struct batch *script_some(struct page *p, unsigned bits)
{
    struct batch *b = read_text(p, PODS REST);
    size_t n = 0;
    CHECK_INT(b->len, 6);
    for (size_t i = 0; i < b->len; i++)
        if (bits >> i & 1)
            b->samples[n++] = b->samples[i];
    b->len = n;
    return b;
}

/* Of values and names so short and so long that lengths take another byte. */
static inline void script_lengths(struct buf *out)
{
    for (size_t n = 1; n < 600; n += n < 40 ? 1 : 37) {
        int x = (int)n;
        CHECK_INT(buf_printf(out, "a{x=\"%0*d\",y=\"%0*d\"} %zu\n", x, 1, x / 2 + 1, x, n), OK);
        CHECK_INT(buf_printf(out, "n%0*d_total{x=\"%0*d\"} %zu\n", x, 1, x, 2, n / 3), OK);
    }
}

static inline uint64_t script_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#define SCRIPT_SEED UINT64_C(88172645463325252)

static inline void script_random_line(struct buf *out, uint64_t *random, int i)
{
    uint64_t n = script_random(random);
    CHECK_INT(buf_printf(out, "%s%d{%s=\"%d\",pod=\"cart-%d\"} %d%s\n",
                         (n & 7) == 0 ? "name_of_another_kind_" : "name_", i / 7,
                         (n >> 3 & 15) == 0 ? "colour" : "zone", i % 5, i,
                         (int)(n >> 8 & 0xffff) >> (n >> 30 & 15),
                         (n >> 25 & 7) == 0 ? " 1795271160000" : ""),
              OK);
}

/* Most of sixty series, in one scrape of three from the last to the first. */
static inline void script_random_page(struct buf *out, uint64_t *random, int scrape)
{
    buf_truncate(out, 0);
    for (int i = 0; i < 60; i++)
        if ((script_random(random) & 15) != 0)
            script_random_line(out, random, scrape % 3 ? i : 60 - i);
}

/* From the second scrape of PODS REST on no memory is asked for, and no part is another one. */
static inline void script_check_steady(const struct encoder_step *e, struct page *p,
                                       struct payload *out, struct buf *raw)
{
    uint64_t before = 0;
    size_t held = 0;
    for (int scrape = 0; scrape < 4; scrape++) {
        struct batch *b = read_text(p, scrape % 2 ? PODS REST : PODS REST "\n");
        struct encoder_counts counts = {0};
        size_t from = 0;
        buf_truncate(&out->body, 0);
        CHECK_INT(encoder_run(e, b, &from, out, raw, &counts), 6);
        batch_commit(b);
        page_rest(p, b);
        before = scrape == 1 ? mem_count() : before;
        held = scrape == 1 ? page_stats(p).held_bytes : held;
    }
    CHECK_INT(mem_count(), before);
    CHECK_INT(page_stats(p).held_bytes, held);
}

#endif
