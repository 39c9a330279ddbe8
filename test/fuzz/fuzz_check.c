/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_check.c - any page is judged, in every format, line by line as well as whole.
 *
 * What a check calls sound, a lenient reader takes, with the same value; a good page has no bad
 * line for it, but those with a NUL.  A page that is cut anywhere, or lacks its end, is not better. */
#include "buf.h"
#include "check.h"
#include "mem.h"

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {"a",
                                  "b",
                                  "a_total",
                                  "a_created",
                                  "a_bucket",
                                  "a_sum",
                                  "a_count",
                                  "a_gsum",
                                  "a_gcount",
                                  "a_info",
                                  "{",
                                  "}",
                                  "\"",
                                  ",",
                                  "\\",
                                  "\\n",
                                  " ",
                                  "\t",
                                  "\n",
                                  "\n",
                                  "\r\n",
                                  "1",
                                  "-1",
                                  "NaN",
                                  "+Inf",
                                  "1e5",
                                  " 1\n",
                                  " 2 5\n",
                                  " 2 5.5\n",
                                  " 3 # {x=\"y\"} 0.5 7\n",
                                  " 3 5 st@4\n",
                                  "a 1\n",
                                  "a_total 1\n",
                                  "a_total 1\na_created 5\n",
                                  "# TYPE a counter\n",
                                  "# TYPE a gauge\n",
                                  "# TYPE a histogram\n",
                                  "# TYPE a gaugehistogram\n",
                                  "# TYPE a summary\n",
                                  "# TYPE a info\n",
                                  "# TYPE a stateset\n",
                                  "# TYPE a_count gauge\n",
                                  "# HELP a h\n",
                                  "# UNIT a_s s\n",
                                  "# EOF\n",
                                  "# EOF\n",
                                  "{\"a.b\"",
                                  "{\"a.b\",\"c.d\"=\"e\"} 1\n",
                                  "{x=\"1\"}",
                                  "a{a=\"x\"} 1\n",
                                  "a{quantile=\"0.5\"} 1\n",
                                  "a_bucket{le=\"1\"} 1\n",
                                  "a_bucket{le=\"+Inf\"} 2\n",
                                  "a_bucket{le=\"+Inf\"} 2\na_count 2\na_sum 1\n",
                                  "a_bucket{le=\"-1\"} 0\n",
                                  "\xc3\xa9",
                                  "\xff",
                                  NULL};

static void require(bool ok)
{
    if (!ok)
        abort();
}

struct seen {
    struct span line; /* the present one */
    enum page_format format;
    size_t lines, faults, families, sound;
    size_t samples; /* sound ones */
};

static void see_fault(void *of, const struct check_fault *f)
{
    struct seen *s = of;
    s->faults++;
    require(f->line >= 1 && f->line <= s->lines + 1 && f->column >= 1);
    require(f->rule && f->rule[0] && f->what && f->what[0]);
    require(f->token.len == 0 || f->token.data);
    (void)text_is_utf8(f->token); /* for asan: it can be read */
}

static void see_family(void *of, const struct check_family *f)
{
    struct seen *s = of;
    s->families++;
    require(f->name.len > 0 && f->kind < SERIES_KINDS);
}

static bool same(struct span a, struct span b)
{
    return a.len == b.len && a.data == b.data;
}

/* A sound line reads the same without rigour, unless it holds what a series cannot. */
static void see_line(void *of, size_t number, const struct promtext_line *l)
{
    struct seen *s = of;
    static struct promtext t;
    static struct promtext_line other;
    s->sound++;
    s->samples += l->item == PROMTEXT_SAMPLE;
    require(number == s->lines);
    if (memchr(s->line.data, '\0', s->line.len))
        return;
    promtext_init(&t, s->line);
    t.format = s->format;
    t.quoted = true;
    bool far = s->format == FORMAT_TEXT && l->item == PROMTEXT_SAMPLE && l->value.has_ts;
    enum status status = promtext_next(&t, &other, NULL);
    require(status == OK || (far && status == ERR_INVALID));
    if (status != OK)
        return;
    require(other.item == l->item);
    if (l->item == PROMTEXT_EOF)
        return;
    require(same(other.name, l->name));
    if (l->item != PROMTEXT_SAMPLE)
        return;
    require(other.labels_len == l->labels_len && other.value_at == l->value_at);
    require(memcmp(&other.value.number, &l->value.number, sizeof(double)) == 0);
    require(other.value.has_ts == l->value.has_ts && other.value.ts_ms == l->value.ts_ms);
    require(!other.value.exemplar == !l->value.exemplar);
}

static const struct check_conf confs[] = {
    {.format = FORMAT_TEXT, .max_line = 200, .max_series = 50, .max_families = 50},
    {.format = FORMAT_OPENMETRICS, .max_line = 200, .max_series = 50, .max_families = 50},
    {.format = FORMAT_OPENMETRICS,
     .version2 = true,
     .max_line = 90,
     .max_series = 2,
     .max_families = 2},
};

/* Line by line, each in memory of its own. */
static size_t judge(const struct check_conf *of, struct span page)
{
    struct seen seen = {.format = of->format};
    struct check_conf conf = *of;
    conf.of = &seen;
    conf.fault = see_fault;
    conf.family = see_family;
    conf.line = see_line;
    AUTO_PTR(check) struct check *c = check_new(&conf);
    size_t found = 0;
    for (const char *at = page.data, *end = page.data + page.len; at < end;) {
        const char *eol = memchr(at, '\n', (size_t)(end - at)), *next = eol ? eol + 1 : end;
        size_t len = (size_t)(next - at);
        char *copy = mem_strndup(at, len);
        copy = mem_realloc(copy, len);
        seen.line = (struct span){copy, len};
        seen.lines++;
        found += check_line(c, seen.line);
        mem_free(copy);
        at = next;
    }
    found += check_end(c);
    require(found == seen.faults);
    require(seen.sound <= seen.lines && seen.families <= seen.lines);
    return found;
}

static void take_missing(void *of, const struct check_fault *f)
{
    *(bool *)of |= !f->missing;
}

/* What is left of a page without the lines that are not sound has no line that is not. */
static void salvage(struct span page, unsigned times)
{
    bool wrong = false;
    struct check_conf conf = {.format = FORMAT_OPENMETRICS,
                              .lenient = true,
                              .max_line = 200,
                              .max_series = 1 << 20,
                              .max_families = 1 << 20,
                              .of = &wrong,
                              .fault = take_missing};
    AUTO_PTR(check) struct check *c = check_new(&conf);
    AUTO(buf) struct buf rest = BUF_INIT(1 << 24);
    for (const char *at = page.data, *end = page.data + page.len; at < end;) {
        const char *eol = memchr(at, '\n', (size_t)(end - at)), *next = eol ? eol + 1 : end;
        size_t faults = check_line(c, (struct span){at, (size_t)(next - at)});
        bool sound = check_is_sound(c) && !check_spoils_exemplar(c);
        require(sound || faults > 0 || wrong);
        require(times == 0 || sound || *at == '#' || *at == ' ' || *at == '\t');
        if (sound)
            require(buf_add(&rest, at, (size_t)(next - at)) == OK);
        at = next;
    }
    check_end(c);
    if (times == 0)
        salvage((struct span){rest.data, rest.len}, 1);
}

static void judge_whole(const struct check_conf *conf, struct span page, size_t faults)
{
    struct err err = {.status = OK};
    enum status s = check_page(conf, page, &err);
    require(s == (faults > 0 ? ERR_INVALID : OK) && err.status == s);
    require(text_is_utf8((struct span){err.text, strlen(err.text)}));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + (size == 0)); /* of this size exactly, for asan */
    for (size_t i = 0; i < size; i++)
        text[i] = (char)data[i];
    struct span page = {text, size};
    for (size_t i = 0; i < ARRAY_LEN(confs); i++) {
        size_t faults = judge(&confs[i], page);
        judge_whole(&confs[i], page, faults);
        if (confs[i].format == FORMAT_OPENMETRICS && faults == 0 && size > 5)
            require(judge(&confs[i], (struct span){text, size - 2}) > 0);
    }
    salvage(page, 0);
    free(text);
    return 0;
}
