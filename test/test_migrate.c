/* SPDX-License-Identifier: Apache-2.0 */
/* test_migrate.c - the recipe of docs/MIGRATE.md, read out of it, and what it makes of pods. */
#include "config_test.h"
#include "kubernetes_test.h"

enum { PROMETHEUS, WITH_RULES, WITHOUT_RULES, BLOCKS };

/* The blocks of YAML in the guide. */
static char *blocks[BLOCKS];

static void read_guide(void)
{
    static char guide[65536];
    if (blocks[0])
        return;
    FILE *f = fopen(STRATA_SOURCE "/docs/MIGRATE.md", "r");
    CHECK(f != NULL);
    guide[fread(guide, 1, sizeof guide - 1, f)] = '\0';
    fclose(f);
    char *at = guide;
    for (size_t i = 0; i < BLOCKS; i++) {
        at = strstr(at, "```yaml\n");
        CHECK(at != NULL);
        blocks[i] = at + strlen("```yaml\n");
        at = strstr(blocks[i], "```\n");
        CHECK(at != NULL);
        *at++ = '\0';
    }
    CHECK(strstr(at, "```yaml") == NULL);
}

/* What is told, a line each: "URL name=value,...", names in order. */
static struct buf lines = BUF_INIT(1 << 20);

static int by_name(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static enum status hear(void *to, const struct target_event *e)
{
    struct label sorted[TARGET_LABELS];
    (void)to;
    if (e->change != TARGET_ADDED)
        abort();
    memcpy(sorted, e->target->labels, e->target->labels_len * sizeof *sorted);
    qsort(sorted, e->target->labels_len, sizeof *sorted, by_name);
    enum status r = buf_puts(&lines, e->target->url);
    for (size_t i = 0; i < e->target->labels_len && r == OK; i++)
        r = buf_cat(&lines, i ? "," : " ", sorted[i].name, "=", sorted[i].value, NULL);
    if (r != OK || buf_puts(&lines, "\n") != OK)
        abort();
    target_unref(e->target);
    return OK;
}

/* The configuration with this source, and what it finds when there is this pod. */
static void check_source(const char *text, const char *pod, const char *want)
{
    AUTO(buf) struct buf whole = BUF_INIT(1 << 20);
    struct faults faults = {0};
    struct config *c = NULL;
    struct err err = {OK, ""};
    forget_watches();
    setenv("NODE_NAME", "n1", 1);
    const char *path = kubeconfig(KUBECONFIG);
    setenv("KUBECONFIG", path, 1);
    CHECK_INT(buf_cat(&whole, text, MIN_POOL, MIN_SINK, NULL), OK);
    if (parse(&c, whole.data, &faults) != OK)
        test_fail(__FILE__, __LINE__, "%u:%u: %s", faults.items[0].line, faults.items[0].column,
                  faults.items[0].text);
    const struct source_conf *s = &c->sources[0];
    AUTO_PTR(relabel) struct relabel *rules = NULL;
    if (s->common.relabel.len > 0)
        CHECK_INT(relabel_new(&rules, s->common.relabel.items, s->common.relabel.len, NULL), OK);
    struct source_env of = {.common = &s->common, .relabel = rules};
    CHECK_INT(s->ops->open(&source, s->conf, &of, &err), OK);
    struct target_emit emit = {hear, NULL};
    CHECK_INT(s->ops->ready(source, &emit, &err), OK);
    CHECK(strstr(watches[0].fields, "spec.nodeName=n1,"));
    watch_object(&watches[0], pod);
    CHECK_INT(s->ops->ready(source, &emit, &err), OK);
    s->ops->close(source);
    config_free(c);
    remove(path);
    unsetenv("KUBECONFIG");
    if (strcmp(lines.data ? lines.data : "", want) != 0)
        test_fail(__FILE__, __LINE__, "%s gives\n%s, want\n%s", pod, lines.data, want);
    buf_done(&lines);
}

#define POD(annotations, containers, more)                                                     \
    "{'metadata':{'namespace':'shop','name':'web','uid':'u','labels':{'app':'w','tier':'x'},"  \
    "'annotations':{" annotations "}},'spec':{'nodeName':'n1','containers':[" containers "]}," \
    "'status':{" more "'podIP':'10.0.0.1'}}"
#define RUNNING                   "'phase':'Running',"
#define SCRAPE                    "'prometheus.io/scrape':'true'"
#define PORT(p)                   ",'prometheus.io/port':'" p "'"
#define PATH(p)                   ",'prometheus.io/path':'" p "'"
#define HTTPS                     ",'prometheus.io/scheme':'https'"
#define ONE                       "{'name':'app','ports':[{'name':'http','containerPort':8080}]}"
#define TWO                       ONE ",{'name':'exp','ports':[{'name':'metrics','containerPort':9113}]}"
#define BARE                      "{'name':'app'}"
#define INIT                      ONE "],'initContainers':[{'name':'i','ports':[{'containerPort':7000}]}"
#define HERE                      "job=kubernetes-pods,namespace=shop,node=n1,pod=web"
#define AT(c, host)               " app=w,container=" c ",instance=" host "," HERE
#define RULED(url, host, rest, c) url host rest AT(c, host) ",tier=x\n"
#define PLAIN(url, host, rest, c) url host rest AT(c, host) "\n"
/* Port 9090 that nobody declares: of no container. */
#define USUAL                    "http://10.0.0.1:9090/metrics app=w,instance=10.0.0.1:9090," HERE "\n"
#define BOTH(url, host, rest, c) RULED(url, host, rest, c), PLAIN(url, host, rest, c)

static const struct {
    const char *pod, *with_rules, *without_rules;
} cases[] = {
    {POD(SCRAPE PORT("8080"), ONE, RUNNING), BOTH("http://", "10.0.0.1:8080", "/metrics", "app")},
    {POD(SCRAPE PORT("8080"), TWO, RUNNING), BOTH("http://", "10.0.0.1:8080", "/metrics", "app")},
    {POD(SCRAPE PORT("9102") PATH("/m?x=1") HTTPS, ONE, RUNNING),
     BOTH("https://", "10.0.0.1:9102", "/m?x=1", "app")},
    {POD(SCRAPE PORT("9102"), BARE, RUNNING), BOTH("http://", "10.0.0.1:9102", "/metrics", "app")},
    {POD(SCRAPE, TWO, RUNNING),
     RULED("http://", "10.0.0.1:8080", "/metrics", "app")
         RULED("http://", "10.0.0.1:9113", "/metrics", "exp"),
     PLAIN("http://", "10.0.0.1:9113", "/metrics", "exp")},
    {POD(SCRAPE, ONE, RUNNING), RULED("http://", "10.0.0.1:8080", "/metrics", "app"), USUAL},
    {POD(SCRAPE PORT("metrics"), TWO, RUNNING),
     BOTH("http://", "10.0.0.1:9113", "/metrics", "exp")},
    {POD(SCRAPE PORT("9113,8080"), TWO, RUNNING),
     RULED("http://", "10.0.0.1:9113", "/metrics", "exp")
         RULED("http://", "10.0.0.1:8080", "/metrics", "app"),
     PLAIN("http://", "10.0.0.1:9113", "/metrics", "exp")
         PLAIN("http://", "10.0.0.1:8080", "/metrics", "app")},
    {POD(SCRAPE PORT("8080"), INIT, RUNNING), BOTH("http://", "10.0.0.1:8080", "/metrics", "app")},
    {POD(SCRAPE, INIT, RUNNING), RULED("http://", "10.0.0.1:8080", "/metrics", "app"), USUAL},
    {POD(SCRAPE PORT("8080"), ONE, "'phase':'Pending',"), "",
     PLAIN("http://", "10.0.0.1:8080", "/metrics", "app")},
    {POD(SCRAPE PORT("8080"), ONE, RUNNING "'podIP':'fd00::1',"),
     BOTH("http://", "[fd00::1]:8080", "/metrics", "app")},
    {POD("", ONE, RUNNING), "", ""},
    {POD("'prometheus.io/scrape':'false'" PORT("8080"), ONE, RUNNING), "", ""},
};

TEST(the_rules_of_the_recipe_are_carried_over_word_for_word)
{
    read_guide();
    const char *there = strstr(blocks[PROMETHEUS], "    relabel_configs:\n");
    const char *here = strstr(blocks[WITH_RULES], "    relabel:\n");
    CHECK(there && here && !strstr(blocks[WITHOUT_RULES], "relabel"));
    CHECK_STR(here + strlen("    relabel:\n"), there + strlen("    relabel_configs:\n"));
    CHECK(strstr(here, "regex: ([^:]+)(?::\\d+)?;(\\d+)\n        replacement: $1:$2\n"));
}

TEST(with_its_rules_the_recipe_gives_what_the_guide_says)
{
    read_guide();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_source(blocks[WITH_RULES], cases[i].pod, cases[i].with_rules);
}

TEST(without_rules_annotations_give_what_the_guide_says)
{
    read_guide();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_source(blocks[WITHOUT_RULES], cases[i].pod, cases[i].without_rules);
}

TEST(groups_may_stand_in_braces)
{
    read_guide();
    const char *at = strstr(blocks[WITH_RULES], "$1:$2");
    CHECK(at != NULL);
    AUTO(buf) struct buf text = BUF_INIT(1 << 16);
    CHECK_INT(buf_add(&text, blocks[WITH_RULES], (size_t)(at - blocks[WITH_RULES])), OK);
    CHECK_INT(buf_cat(&text, "${1}:${2}", at + strlen("$1:$2"), NULL), OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_source(text.data, cases[i].pod, cases[i].with_rules);
}
