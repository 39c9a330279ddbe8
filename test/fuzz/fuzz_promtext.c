/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_promtext.c - any body is read or refused line by line, and read a second
 * time, when most lines are known, it gives the same samples and faults. */
#include "mem.h"
#include "page.h"

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {"a",
                                  "b",
                                  "a_sum",
                                  "a_bucket",
                                  "a_count",
                                  "{",
                                  "}",
                                  "x",
                                  "le",
                                  "=",
                                  "\"",
                                  "\"\"",
                                  ",",
                                  "\\",
                                  "\\n",
                                  "\\\"",
                                  " ",
                                  "\t",
                                  "\n",
                                  "\n",
                                  "\r\n",
                                  "1",
                                  "0",
                                  "-",
                                  "+",
                                  ".",
                                  "e5",
                                  "NaN",
                                  "Inf",
                                  " 1\n",
                                  " 2.5 7\n",
                                  "# TYPE a histogram\n",
                                  "# TYPE a gauge\n",
                                  "# HELP a h\n",
                                  "#",
                                  "# UNIT ",
                                  "\xc3\xa9",
                                  "\xff",
                                  "{x=\"1\"}",
                                  "{x=\"1\",le=\"2\"} 3\n",
                                  "a{x=\"1\",} 4 -5\n",
                                  NULL};

static void require(bool ok)
{
    if (!ok)
        abort();
}

static uint64_t refused(const struct page *p)
{
    struct page_stats s = page_stats(p);
    uint64_t n = 0;
    for (size_t i = 0; i < PAGE_REFUSALS; i++)
        n += s.refused[i];
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct page_limits limits = {.max_series = 20,
                                              .max_bytes = 10000,
                                              .max_labels = 3,
                                              .max_name_bytes = 8,
                                              .max_value_bytes = 8};
    char *body = malloc(size + (size == 0)); /* of this size exactly, for asan */
    for (size_t i = 0; i < size; i++)
        body[i] = (char)data[i];
    struct page *p = page_new(NULL, &limits, 1);
    AUTO(batch) struct batch batch = {0};
    struct batch *b = &batch;
    struct page_faults faults;
    page_read(p, (struct span){body, size}, 1, b, &faults);
    require(faults.refused == refused(p) && faults.lines_bad == page_stats(p).lines_bad);
    require((faults.first_refused.status == OK) == (faults.refused == 0));
    require((faults.first_bad.status == OK) == (faults.lines_bad == 0));

    size_t len = b->len;
    uint64_t refused_once = refused(p);
    struct sample *first = mem_alloc(len * sizeof *first);
    for (size_t i = 0; i < len; i++)
        first[i] = b->samples[i];
    page_read(p, (struct span){body, size}, 1, b, NULL);
    require(b->len == len && b->ended_len == 0 && refused(p) == 2 * refused_once);
    require(page_stats(p).lines_bad == 2 * faults.lines_bad);
    for (size_t i = 0; i < len; i++) {
        require(b->samples[i].series == first[i].series && b->samples[i].ts_ms == first[i].ts_ms);
        require(memcmp(&b->samples[i].value, &first[i].value, sizeof(double)) == 0);
        require(b->samples[i].text.data == first[i].text.data);
    }
    page_end(p, 2, b);
    require(b->len == 0 && b->ended_len == len && page_stats(p).series == 0);
    mem_free(first);
    page_free(p);
    free(body);
    return 0;
}
