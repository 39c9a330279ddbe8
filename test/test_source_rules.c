/* SPDX-License-Identifier: Apache-2.0 */
/* test_source_rules.c - rules between what is found and its target, and what a target may ask for. */
#include "relabel_test.h"
#include "sources_test.h"

#include <stdlib.h>

/* What becomes of "name=value|..." under rules: "ID URL name=value|..." or "dropped: WHY", "refused: WHY".
 * url and id may be NULL. */
struct found {
    const char *id, *url, *labels;
    struct rule rules[MAX_RULES];
    const char *want;
};

static size_t split(char *text, struct label *to)
{
    size_t n = 0;
    for (char *save = NULL, *p = strtok_r(text, "|", &save); p; p = strtok_r(NULL, "|", &save)) {
        char *value = strchr(p, '=');
        *value++ = '\0';
        to[n++] = (struct label){p, value};
    }
    return n;
}

static void add_text(struct buf *b, const char *a, const char *c, const char *d)
{
    CHECK_INT(buf_cat(b, a, c, d, NULL), OK);
}

static int by_name(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static void describe(const struct target *t, struct buf *out)
{
    struct label sorted[TARGET_LABELS];
    memcpy(sorted, t->labels, t->labels_len * sizeof *sorted);
    qsort(sorted, t->labels_len, sizeof *sorted, by_name);
    add_text(out, t->id, " ", t->url);
    for (size_t i = 0; i < t->labels_len; i++) {
        add_text(out, i ? "|" : " ", sorted[i].name, "=");
        add_text(out, sorted[i].value, "", "");
    }
}

static void check_in(struct test_env *e, const struct found *f)
{
    char text[4000];
    struct label labels[64];
    AUTO(buf) struct buf got = BUF_INIT(1 << 16);
    struct err err = {OK, ""};
    struct target *t = NULL;
    snprintf(text, sizeof text, "%s", f->labels);
    struct source_found found = {.id = f->id, .url = f->url, .labels = labels};
    found.len = split(text, labels);
    AUTO_PTR(relabel) struct relabel *rules = make(f->rules);
    e->env.relabel = rules;
    enum status s = source_found_target(&e->env, &found, &t, &err);
    if (t)
        describe(t, &got);
    else
        add_text(&got, s == OK ? "dropped" : "refused", ": ", err.text);
    target_unref(t);
    e->env.relabel = NULL;
    CHECK_STR(got.data, f->want);
}

static void check_all(const struct found *all, size_t n)
{
    struct test_env e;
    test_env_init(&e);
    for (size_t i = 0; i < n; i++)
        check_in(&e, &all[i]);
    test_env_done(&e);
}

#define CHECK_ALL(all) check_all(all, ARRAY_LEN(all))
#define KEEP           .action = "keep", .source
#define REPLACE        .source

static const struct found moved[] = {
    {"id",
     NULL,
     "__address__=h:1|port=2",
     {{REPLACE = "__address__,port", .regex = "([^:]+)(?::\\d+)?;(\\d+)", .target = "__address__",
       .replacement = "$1:$2"}},
     "id http://h:2/metrics instance=h:2|job=s|port=2"},
    {"id",
     NULL,
     "__address__=h:1",
     {{.target = "__scheme__", .replacement = "https"},
      {.target = "__metrics_path__", .replacement = "/m"},
      {.target = "__param_a", .replacement = "b c"}},
     "id https://h:1/m?a=b%20c instance=h:1|job=s"},
    {NULL,
     "https://h/m?x=1",
     "",
     {{REPLACE = "__scheme__,__address__,__metrics_path__", .target = "saw"},
      {.target = "__address__", .replacement = "i:9"}},
     "https://i:9/m?x=1 https://i:9/m?x=1 instance=i:9|job=s|saw=https;h;/m?x=1"},
    {NULL,
     "h:1",
     "",
     {{REPLACE = "__scheme__,__address__,__metrics_path__,__scrape_interval__,"
                 "__scrape_timeout__,job",
       .target = "saw"}},
     "http://h:1/metrics http://h:1/metrics "
     "instance=h:1|job=s|saw=http;h:1;/metrics;30s;10s;s"},
    {NULL,
     "http://h:1?a=b",
     "",
     {{REPLACE = "__metrics_path__", .target = "saw"}},
     "http://h:1/metrics?a=b http://h:1/metrics?a=b instance=h:1|job=s|saw=/metrics?a=b"},
    {NULL,
     "http://[fd00::1]:1/",
     "__metrics_path__=/label|__scheme__=https",
     {{REPLACE = "__address__,__metrics_path__,__scheme__", .target = "saw"}},
     "http://[fd00::1]:1/ http://[fd00::1]:1/ "
     "instance=[fd00::1]:1|job=s|saw=[fd00::1]:1;/;http"},
    {"id",
     NULL,
     "__address__=h:1",
     {{.target = "__scheme__", .replacement = ""}},
     "id http://h:1/metrics instance=h:1|job=s"},
    {"id",
     NULL,
     "__address__=h:1",
     {{.target = "__address__", .replacement = ""}},
     "refused: no __address__"},
    {"id", NULL, "a=b", {{.target = "x", .replacement = "y"}}, "refused: no __address__"},
    {"id",
     NULL,
     "__address__=h:1",
     {{.target = "__address__", .replacement = "a b"}},
     "refused: a space, control character or byte beyond ASCII in the URL"},
    {"id",
     NULL,
     "__address__=h:1",
     {{.target = "__scheme__", .replacement = "ftp"}},
     "refused: the scheme is neither http nor https"},
    {NULL,
     "http://u:p@h/",
     "",
     {{.target = "x", .replacement = "y"}},
     "refused: credentials in the URL: they belong into http: of the source"},
};

TEST(rules_see_and_change_where_a_target_is)
{
    CHECK_ALL(moved);
}

TEST(labels_are_those_that_rules_leave)
{
    static const struct found all[] = {
        {"id",
         NULL,
         "__address__=h:1|__meta_app=web",
         {{.action = "labelmap", .regex = "__meta_(.+)"}},
         "id http://h:1/metrics app=web|instance=h:1|job=s"},
        {"id",
         NULL,
         "__address__=h:1",
         {{.target = "instance", .replacement = "me"}},
         "id http://h:1/metrics instance=me|job=s"},
        {"id",
         NULL,
         "__address__=h:1",
         {{.target = "job", .replacement = "web"}},
         "id http://h:1/metrics instance=h:1|job=web"},
        {"id",
         NULL,
         "__address__=h:1|job=own",
         {{REPLACE = "job", .target = "saw"}},
         "id http://h:1/metrics instance=h:1|job=own|saw=own"},
        {"id",
         NULL,
         "__address__=h:1|a=b",
         {{.action = "labeldrop", .regex = "job"}},
         "id http://h:1/metrics a=b|instance=h:1"},
        {"id",
         NULL,
         "__address__=h:1|job=x",
         {{.target = "job", .replacement = ""}},
         "id http://h:1/metrics instance=h:1"},
        {"id",
         NULL,
         "__address__=h:1|a=b|c=d",
         {{.action = "labelkeep", .regex = "__address__|a"}},
         "id http://h:1/metrics a=b|instance=h:1"},
        {"id",
         NULL,
         "__address__=h:1|a=\xff",
         {{.target = "x", .replacement = "y"}},
         "refused: label a: the value is not UTF-8"},
    };
    CHECK_ALL(all);
}

TEST(a_label_that_is_taken_away_where_it_is_found_stays_away_under_rules)
{
    static const struct found all[] = {
        {"id",
         NULL,
         "__address__=h:1|instance=|zone=",
         {{.target = "x", .replacement = "y"}},
         "id http://h:1/metrics job=s|x=y"},
        {"id",
         NULL,
         "__address__=h:1|job=|zone=",
         {{.target = "zone", .replacement = "y"}},
         "id http://h:1/metrics instance=h:1|zone=y"},
        {"id",
         NULL,
         "__address__=h:1|__scheme__=",
         {{.target = "x", .replacement = "y"}},
         "id http://h:1/metrics instance=h:1|job=s|x=y|zone=z"},
    };
    struct test_env e;
    struct text_pair zone = {(char[]){"zone"}, (char[]){"z"}};
    const struct text_map of_agent = {&zone, 1};
    test_env_init(&e);
    e.env.agent.labels = &of_agent;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        check_in(&e, &all[i]);
    test_env_done(&e);
}

TEST(what_is_dropped_says_which_rule_dropped_it)
{
    static const struct found all[] = {
        {"id",
         NULL,
         "__address__=h:1|a=b",
         {{KEEP = "a", .regex = "c"}},
         "dropped: dropped by relabel[0] (keep)"},
        {"id",
         NULL,
         "__address__=h:1|a=b",
         {{KEEP = "a", .regex = "b"}, {.action = "drop", .source = "a", .regex = "b"}},
         "dropped: dropped by relabel[1] (drop)"},
        {"id",
         NULL,
         "a=b",
         {{KEEP = "a", .regex = "c"}}, /* whatever else is wrong with it */
         "dropped: dropped by relabel[0] (keep)"},
    };
    CHECK_ALL(all);
}

TEST(an_address_of_the_machine_itself_counts_as_the_rules_leave_it)
{
    static const struct found all[] = {
        {NULL,
         "http://127.0.0.1:1/m",
         "",
         {{.target = "__address__", .replacement = "h:1"}},
         "http://h:1/m http://h:1/m instance=h:1|job=s"},
        {NULL,
         "http://h:1/m",
         "",
         {{.target = "__address__", .replacement = "127.0.0.1:1"}},
         "node-1/http://127.0.0.1:1/m http://127.0.0.1:1/m instance=127.0.0.1:1|job=s"},
    };
    CHECK_ALL(all);
}

/* "INTERVAL TIMEOUT LIMIT" in ms, or why it is refused; rules and labels as in found. */
static const char *const modes[] = {[TARGET_AS_POOL] = "",
                                    [TARGET_AUTO] = " auto",
                                    [TARGET_STRICT] = " strict",
                                    [TARGET_SALVAGE] = " salvage"};

static void check_asked(struct test_env *e, const char *given, const struct rule *rules,
                        const char *want)
{
    char got[300], text[300];
    struct label labels[16];
    struct err err = {OK, ""};
    struct target *t = NULL;
    snprintf(text, sizeof text, "__address__=h:1|%s", given);
    struct source_found found = {.labels = labels};
    found.len = split(text, labels);
    AUTO_PTR(relabel) struct relabel *r = rules ? make(rules) : NULL;
    e->env.relabel = r;
    if (source_found_target(&e->env, &found, &t, &err) == OK)
        snprintf(got, sizeof got, "%lld %lld %lld%s", (long long)(t->interval_ns / MS_NS),
                 (long long)(t->timeout_ns / MS_NS), (long long)t->max_samples, modes[t->mode]);
    else
        snprintf(got, sizeof got, "%s", err.text);
    target_unref(t);
    e->env.relabel = NULL;
    CHECK_STR(got, want);
}

#define I "__scrape_interval__="
#define T "__scrape_timeout__="
#define L "__sample_limit__="
#define M "__scrape_mode__="

static const struct {
    const char *given, *want;
} asked[] = {
    {"a=b", "30000 10000 0"},
    {I "15s", "15000 10000 0"},
    {I "5s", "5000 5000 0"}, /* the timeout follows */
    {I "5s|" T "2s", "5000 2000 0"},
    {I "1m|" T "30s", "60000 30000 0"},
    {T "20s", "30000 20000 0"},
    {L "9", "30000 10000 9"},
    {M "strict", "30000 10000 0 strict"},
    {M "salvage", "30000 10000 0 salvage"},
    {M "auto", "30000 10000 0 auto"},
    {M "pool", "30000 10000 0"},
    {M "Strict", "asks for mode: 'Strict' is none of: pool, auto, strict, salvage"},
    {I "4999ms", "asks for an interval below min_interval (4999 < 5000 ms)"},
    {T "31s", "asks for a timeout above its interval (31000 > 30000 ms)"},
    {I "15s|" T "16s", "asks for a timeout above its interval (16000 > 15000 ms)"},
    {I "25h", "asks for interval: '25h' is out of range, 10ms to 24h"},
    {I "9ms", "asks for interval: '9ms' is out of range, 10ms to 24h"},
    {I "soon", "asks for interval: 'soon' is not a number"},
    {T "0s", "asks for timeout: '0s' is out of range, 1ms to 24h"},
    {L "0", "asks for sample_limit: '0' is out of range, 1 to 10000000"},
    {L "-1", "asks for sample_limit: '-1' is out of range, 1 to 10000000"},
};

TEST(what_a_target_asks_for_is_bounded)
{
    struct test_env e;
    test_env_init(&e);
    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        check_asked(&e, asked[i].given, NULL, asked[i].want);
    test_env_done(&e);
}

TEST(under_rules_the_bounds_are_the_same)
{
    static const struct rule none[MAX_RULES] = {{.target = "x", .replacement = "y"}};
    struct test_env e;
    test_env_init(&e);
    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        check_asked(&e, asked[i].given, none, asked[i].want);
    test_env_done(&e);
}

TEST(rules_may_ask_as_well)
{
    static const struct rule faster[MAX_RULES] = {
        {.target = "__scrape_interval__", .replacement = "6s"}};
    static const struct rule both[MAX_RULES] = {
        {.target = "__scrape_interval__", .replacement = "20s"},
        {.target = "__scrape_timeout__", .replacement = "20s"}};
    static const struct rule plain[MAX_RULES] = {
        {.target = "__scrape_interval__", .replacement = ""}};
    struct test_env e;
    test_env_init(&e);
    check_asked(&e, "a=b", faster, "6000 6000 0");
    check_asked(&e, "a=b", both, "20000 20000 0");
    check_asked(&e, I "6s", plain, "30000 10000 0");
    test_env_done(&e);
}

TEST(the_operator_says_how_far_a_target_may_go)
{
    struct test_env e;
    test_env_init(&e);
    test_env_set(&e.common, "sample_limit", "10");
    check_asked(&e, L "10", NULL, "30000 10000 10");
    check_asked(&e, L "11", NULL, "asks for a sample limit above 10");
    check_asked(&e, "a=b", NULL, "30000 10000 10");
    test_env_set(&e.common, "interval", "1s");
    check_asked(&e, I "1s", NULL, "1000 1000 10"); /* what all have is no fault */
    check_asked(&e, I "2s", NULL, "asks for an interval below min_interval (2000 < 5000 ms)");
    test_env_set(&e.common, "interval", "30s");
    test_env_set(&e.common, "timeout", "20s");
    check_asked(&e, I "15s", NULL, "15000 15000 10");
    check_asked(&e, I "60s", NULL, "60000 20000 10");
    test_env_done(&e);
}
