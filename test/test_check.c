/* SPDX-License-Identifier: Apache-2.0 */
/* test_check.c - the rules of both formats, on the pages of test/pages.
 *
 * A page that keeps a rule is FORMAT/good/RULE.CASE.txt; one that breaks it
 * FORMAT/bad/RULE.CASE.LINE-COLUMN.txt, where its first fault is.  */
#include "buf.h"
#include "check.h"
#include "test.h"

#include <dirent.h>

enum { RULES = 200, RULE = 40 };

static const struct check_conf openmetrics = {
    .format = FORMAT_OPENMETRICS, .max_line = 1000, .max_series = 1000, .max_families = 1000};

struct first {
    size_t faults;
    char rule[RULE];
    size_t line, column;
    char token[RULE];
};

static void keep_first(void *of, const struct check_fault *f)
{
    struct first *first = of;
    if (first->faults++ > 0)
        return;
    snprintf(first->rule, sizeof first->rule, "%s", f->rule);
    snprintf(first->token, sizeof first->token, "%.*s", (int)f->token.len, f->token.data);
    first->line = f->line;
    first->column = f->column;
}

/* All faults of a page whose lines come one by one, each in memory of its own. */
static struct first check_lines(struct check_conf conf, struct span page)
{
    struct first first = {.faults = 0};
    conf.of = &first;
    conf.fault = keep_first;
    AUTO_PTR(check) struct check *c = check_new(&conf);
    size_t found = 0;
    for (const char *at = page.data, *end = page.data + page.len; at < end;) {
        const char *eol = memchr(at, '\n', (size_t)(end - at)), *next = eol ? eol + 1 : end;
        size_t len = (size_t)(next - at);
        char *copy = malloc(len);
        memcpy(copy, at, len);
        found += check_line(c, (struct span){copy, len});
        free(copy);
        at = next;
    }
    found += check_end(c);
    CHECK_INT(found, first.faults);
    return first;
}

static struct first check_text(const struct check_conf *conf, const char *text)
{
    return check_lines(*conf, (struct span){text, strlen(text)});
}

static enum status check_whole(const struct check_conf *conf, const char *text, struct err *err)
{
    return check_page(conf, (struct span){text, strlen(text)}, err);
}

/* Files. */

static struct buf read_file(const char *path)
{
    static char room[1 << 16];
    struct buf b = BUF_INIT(sizeof room);
    FILE *f = fopen(path, "rb");
    CHECK(f != NULL);
    size_t n = fread(room, 1, sizeof room, f);
    fclose(f);
    CHECK_INT(buf_add(&b, room, n), OK);
    return b;
}

struct rules {
    size_t len;
    char names[RULES][RULE];
};

static bool has_rule(const struct rules *all, const char *name)
{
    for (size_t i = 0; i < all->len; i++)
        if (strcmp(all->names[i], name) == 0)
            return true;
    return false;
}

static void add_rule(struct rules *all, const char *name)
{
    if (has_rule(all, name))
        return;
    CHECK(all->len < RULES);
    snprintf(all->names[all->len++], RULE, "%s", name);
}

static void check_file(const struct check_conf *conf, const char *path, const char *name, bool good)
{
    AUTO(buf) struct buf page = read_file(path);
    struct span text = {page.data, page.len};
    struct first first = check_lines(*conf, text);
    char got[300];
    struct err err;
    CHECK_INT(check_page(conf, text, &err), good ? OK : ERR_INVALID);
    snprintf(got, sizeof got, "%.*s.%zu-%zu.txt", (int)strcspn(name, "."), first.rule, first.line,
             first.column);
    if (good && first.faults > 0)
        test_fail(__FILE__, __LINE__, "%s: %s", path, got);
    const char *place = strchr(strchr(name, '.') + 1, '.');
    snprintf(got, sizeof got, "%s.%zu-%zu.txt", first.rule, first.line, first.column);
    if (!good && (strncmp(name, first.rule, strcspn(name, ".")) != 0 ||
                  strcmp(place, strchr(got, '.')) != 0))
        test_fail(__FILE__, __LINE__, "%s: %s", path, got);
}

/* The pages of a folder; *ret are the rules in their names. */
static size_t check_folder(struct check_conf conf, const char *format, bool good, struct rules *ret)
{
    char folder[300], path[600];
    snprintf(folder, sizeof folder, STRATA_SOURCE "/test/pages/%s/%s", format,
             good ? "good" : "bad");
    DIR *d = opendir(folder);
    CHECK(d != NULL);
    size_t files = 0;
    for (struct dirent *e; (e = readdir(d)); files++) {
        char rule[RULE];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        check_file(&conf, path, e->d_name, good);
        snprintf(rule, sizeof rule, "%.*s", (int)strcspn(e->d_name, "."), e->d_name);
        add_rule(ret, rule);
    }
    closedir(d);
    return files;
}

static const struct {
    const char *name;
    enum page_format format;
    bool version2;
    size_t least; /* files */
} formats[] = {
    {"openmetrics", FORMAT_OPENMETRICS, false, 500},
    {"text", FORMAT_TEXT, false, 150},
    {"openmetrics2", FORMAT_OPENMETRICS, true, 20},
};

static void check_format(size_t i, struct rules *good, struct rules *bad)
{
    struct check_conf conf = openmetrics;
    conf.format = formats[i].format;
    conf.version2 = formats[i].version2;
    size_t files = check_folder(conf, formats[i].name, true, good);
    files += check_folder(conf, formats[i].name, false, bad);
    CHECK(files >= formats[i].least);
}

TEST(pages_of_openmetrics_are_judged_by_its_rules)
{
    check_format(0, &(struct rules){.len = 0}, &(struct rules){.len = 0});
}

TEST(pages_of_the_text_format_are_judged_by_its_rules)
{
    check_format(1, &(struct rules){.len = 0}, &(struct rules){.len = 0});
}

TEST(pages_of_openmetrics_2_are_judged_by_its_rules)
{
    check_format(2, &(struct rules){.len = 0}, &(struct rules){.len = 0});
}

/* The formats that a line of the list of rules names. */
static bool is_of(const char *list_line, const char *format)
{
    char cell[60];
    snprintf(cell, sizeof cell, "| %s |", format);
    return strstr(list_line, cell) != NULL;
}

/* Each rule of a line of the list has pages that keep and that break it. */
static void check_listed(char *line, const struct rules *good, const struct rules *bad,
                         struct rules *listed)
{
    for (char *at = line + 2; *at == '`'; at += strspn(at, ", ")) {
        size_t len = strcspn(at + 1, "`");
        char rule[RULE];
        snprintf(rule, sizeof rule, "%.*s", (int)len, at + 1);
        at += len + 2;
        add_rule(listed, rule);
        for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
            bool wanted = is_of(line, formats[i].name) || (i < 2 && is_of(line, "both"));
            if (!wanted || strcmp(rule, "max-line") == 0)
                continue;
            if (!has_rule(&good[i], rule) || !has_rule(&bad[i], rule))
                test_fail(__FILE__, __LINE__, "%s: no page for %s", formats[i].name, rule);
        }
    }
}

TEST(each_rule_is_listed_and_has_pages_that_keep_and_that_break_it)
{
    static struct rules good[ARRAY_LEN(formats)], bad[ARRAY_LEN(formats)], listed;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        check_format(i, &good[i], &bad[i]);
    AUTO(buf) struct buf list = read_file(STRATA_SOURCE "/docs/CHECK.md");
    for (char *line = list.data; (line = strstr(line, "\n| `")); line++) {
        char copy[600];
        snprintf(copy, sizeof copy, "%.*s", (int)strcspn(line + 1, "\n"), line + 1);
        check_listed(copy, good, bad, &listed);
    }
    CHECK(listed.len > 60);
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        for (size_t k = 0; k < bad[i].len; k++)
            if (!has_rule(&listed, bad[i].names[k]))
                test_fail(__FILE__, __LINE__, "%s is not listed", bad[i].names[k]);
}

/* What single pages cannot show. */

TEST(a_page_is_refused_at_its_first_fault)
{
    struct err err = {.text = ""};
    CHECK_INT(check_whole(&openmetrics, "# TYPE a counter\na_total 1\n# EOF\n", &err), OK);
    CHECK_INT(check_whole(&openmetrics, "# TYPE a counter\na_total -1\na_total x\n# EOF\n", &err),
              ERR_INVALID);
    CHECK_STR(err.text, "line 2, column 9: -1: what is counted is not negative (counter-negative)");
    CHECK_INT(check_whole(&openmetrics, "", NULL), ERR_INVALID);
}

TEST(one_mistake_is_told_once)
{
    static const char *const pages[] = {
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} x\na_count 1\na_sum 1\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} -1\na_count 1\na_sum 1\n# EOF\n",
        "a 1\nb 1\na{x=\"1\"} 1\na{x=\"2\"} 1\na{x=\"3\"} 1\n# EOF\n",
        "# EOF\na\nb\nc\n",
        "# TYPE a counter\na_total x\na_created 5\n# EOF\n",
        "# TYPE a_created gauge\n# TYPE a counter\na_total 1\na_created 1\n# EOF\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        CHECK_INT(check_text(&openmetrics, pages[i]).faults, 1);
}

TEST(several_mistakes_are_all_told)
{
    static const char page[] =
        "a x\na{1} 1\n# TYPE b histogram\nb_sum 1\nb_count 1\n# TYPE c info\n"
        "c_info 2\n";
    CHECK_INT(check_text(&openmetrics, page).faults, 5);
}

TEST(a_token_is_what_stands_there)
{
    static const struct {
        const char *page, *token;
    } cases[] = {
        {"a{b=\"c\",1=\"2\"} 1\n", "1"},
        {"a 1x5\n", "1x5"},
        {"# TYPE a gouge\n", "gouge"},
        {"# TYPE a histogram\na_bucket{le=\"x y\"} 1\n", "x"},
        {"a 1\nb 1\na{c=\"d\"} 1\n", "a"},
        {"a 1 \n", " "},
        {"a \n", ""},
        {"# TYPE a histogram\na_bucket{le=\"1\"} 1\n", "a"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CHECK_STR(check_text(&openmetrics, cases[i].page).token, cases[i].token);
}

TEST(a_line_above_the_bound_costs_itself)
{
    struct check_conf conf = openmetrics;
    conf.max_line = 10;
    struct first first = check_text(&conf, "a 1\nbb{c=\"d\"} 1\n# EOF\n");
    CHECK_INT(first.faults, 1);
    CHECK_STR(first.rule, "max-line");
    CHECK_INT(first.line, 2);
    CHECK_INT(first.column, 11);
    CHECK_INT(check_text(&conf, "a 123456789\n# EOF").faults, 1);
    CHECK_INT(check_text(&conf, "a 12345678\n# EOF").faults, 0);
}

TEST(what_cannot_be_kept_in_mind_is_no_fault)
{
    struct check_conf conf = openmetrics;
    conf.max_series = 2;
    conf.max_families = 3;
    AUTO_PTR(check) struct check *c = check_new(&conf);
    static const char *const lines[] = {
        "# TYPE a gauge\n", "a{b=\"1\"} 1\n", "a{b=\"2\"} 1\n", "a{b=\"3\"} 1\n", "a{b=\"4\"} 1\n",
        "a{b=\"3\"} 1\n",   "c 1\n",          "d 1\n",          "e 1\n",          "d{x=\"1\"} 1\n",
    };
    for (size_t i = 0; i < 9; i++)
        CHECK_INT(check_line(c, (struct span){lines[i], strlen(lines[i])}), 0);
    CHECK(check_unkept(c) >= 4);
    CHECK_INT(check_line(c, (struct span){lines[9], strlen(lines[9])}), 1); /* d is in mind */
    CHECK_INT(check_line(c, (struct span){"# EOF", 5}), 0);
    CHECK_INT(check_end(c), 0);
}

TEST(a_series_is_known_again_among_many)
{
    for (int again = 0; again < 700; again += 99) {
        AUTO(buf) struct buf page = BUF_INIT(1 << 16);
        for (int i = 0; i < 700; i++)
            CHECK_INT(buf_printf(&page, "a{i=\"%d\"} 1\n", i), OK);
        CHECK_INT(buf_printf(&page, "a{i=\"%d\"} 1\nb 1\na{x=\"1\"} 1\n# EOF", again), OK);
        struct first first = check_lines(openmetrics, (struct span){page.data, page.len});
        CHECK_INT(first.line, 701);
        CHECK_INT(first.faults, 2);
    }
}

struct told {
    char text[400];
};

static void tell_family(void *of, const struct check_family *f)
{
    struct told *t = of;
    size_t n = strlen(t->text);
    snprintf(t->text + n, sizeof t->text - n, "[%.*s %s %.*s %.*s]", (int)f->name.len, f->name.data,
             series_kind_name(f->kind), (int)f->unit.len, f->unit.data, (int)f->help.len,
             f->help.data);
}

static void tell_line(void *of, size_t number, const struct promtext_line *l)
{
    struct told *t = of;
    size_t n = strlen(t->text);
    snprintf(t->text + n, sizeof t->text - n, "%zu%c ", number, "sthue"[l->item]);
}

TEST(families_and_sound_lines_are_told)
{
    static const char page[] = "# HELP a_s x\\ny\n# UNIT a_s s\n# TYPE a_s counter\na_s_total 1\n"
                               "a_s_total{b} 1\nb 1\nb 2\n# TYPE c gauge\n# EOF\n";
    struct told told = {""};
    struct check_conf conf = openmetrics;
    conf.of = &told;
    conf.family = tell_family;
    conf.line = tell_line;
    AUTO_PTR(check) struct check *c = check_new(&conf);
    for (const char *at = page, *next; *at; at = next) {
        next = strchr(at, '\n') + 1;
        check_line(c, (struct span){at, (size_t)(next - at)});
    }
    CHECK_INT(check_end(c), 0);
    CHECK_STR(told.text, "1h 2u 3t [a_s counter s x\ny]4s [b untyped  ]6s 8t 9e [c gauge  ]");
}

TEST(many_mixed_histograms_of_a_text_page_are_each_followed)
{
    AUTO(buf) struct buf page = BUF_INIT(1 << 20);
    struct check_conf conf = openmetrics;
    conf.format = FORMAT_TEXT;
    conf.max_series = 100000;
    CHECK_INT(buf_puts(&page, "# TYPE a histogram\n"), OK);
    for (int i = 0; i < 500; i++)
        CHECK_INT(buf_printf(&page, "a_bucket{i=\"%d\",le=\"1\"} 1\n", i), OK);
    for (int i = 0; i < 500; i++)
        if (i != 250)
            CHECK_INT(buf_printf(&page, "a_bucket{i=\"%d\",le=\"+Inf\"} 1\n", i), OK);
    for (int i = 0; i < 500; i++)
        CHECK_INT(buf_printf(&page, "a_count{i=\"%d\"} %d\n", i, i == 400 ? 2 : 1), OK);
    struct first first = check_lines(conf, (struct span){page.data, page.len});
    CHECK_INT(first.faults, 2); /* 250 has no +Inf, 400 another count */
}
