/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_source_target.c - any URL and labels, with rules and without: refused with a reason, dropped by a
 * rule, or a target within its bounds that says the same when it is found again by its own URL.
 *     URL              the first line; empty: none
 *     name=value       a label a line */
#include "clock.h"
#include "mem.h"
#include "source.h"

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {"http://",
                                  "https://",
                                  "h",
                                  "127.0.0.1",
                                  "[fd00::1]",
                                  "[fe80::1%25eth0]",
                                  ":80",
                                  "/m",
                                  "?a=b",
                                  "%20",
                                  "\n",
                                  "\n",
                                  "__address__=",
                                  "__scheme__=",
                                  "__metrics_path__=",
                                  "__param_a=",
                                  "__scrape_interval__=",
                                  "__scrape_timeout__=",
                                  "__sample_limit__=",
                                  "10s",
                                  "instance=",
                                  "job=",
                                  "drop=",
                                  "swap=",
                                  "\xc3\xa9",
                                  NULL};

enum { LABELS = 80 };

static void check(const struct source_env *env, const struct target *t)
{
    size_t bytes = 0;
    if (strncmp(t->url, "http://", 7) != 0 && strncmp(t->url, "https://", 8) != 0)
        abort();
    if (strlen(t->url) > SOURCE_URL_MAX || t->labels_len > TARGET_LABELS ||
        t->timeout_ns > t->interval_ns || t->timeout_ns <= 0 ||
        (t->interval_ns < env->common->min_interval && t->interval_ns != env->common->interval))
        abort();
    for (size_t i = 0; i < t->labels_len; i++) {
        struct span name = {t->labels[i].name, strlen(t->labels[i].name)};
        struct span value = {t->labels[i].value, strlen(t->labels[i].value)};
        if (!text_is_label_name(name) || strncmp(name.data, "__", 2) == 0 || value.len == 0 ||
            value.len > SOURCE_VALUE_MAX || !text_is_utf8(value))
            abort();
        bytes += name.len + value.len;
        for (size_t k = 0; k < i; k++)
            if (strcmp(t->labels[k].name, name.data) == 0)
                abort();
    }
    if (bytes > SOURCE_LABELS_MAX)
        abort();
}

static void run(const struct source_env *env, const struct source_found *found)
{
    struct target *t = NULL, *again = NULL;
    struct err err = {OK, ""};
    enum status s = source_found_target(env, found, &t, &err);
    if ((s != OK || !t) && !err.text[0])
        abort();
    if (s != OK && (t || s != ERR_INVALID))
        abort();
    if (s == OK && !t && !env->relabel)
        abort();
    if (!t)
        return;
    check(env, t);
    if (source_target(env, t->url, NULL, &again, NULL) == OK && again && !env->relabel &&
        (strcmp(again->url, t->url) != 0 || strcmp(again->id, t->id) != 0))
        abort();
    target_unref(again);
    target_unref(t);
}

static struct relabel *make_rules(void)
{
    char *source[] = {(char[]){"drop"}};
    struct relabel_rule_conf rules[3] = {{.modulus = 0}};
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        setting_defaults(relabel_settings, &rules[i]);
    struct relabel_rule_conf all[] = {rules[0], rules[1], rules[2]};
    all[0].action = RELABEL_DROP;
    all[0].source_labels = (struct text_list){source, 1};
    all[0].regex = (char[]){".+"};
    all[1].action = RELABEL_LABELMAP;
    all[1].regex = (char[]){"swap(_.*)"};
    all[2].action = RELABEL_LABELDROP;
    all[2].regex = (char[]){"job|x.*"};
    struct relabel *r = NULL;
    if (relabel_new(&r, all, ARRAY_LEN(all), NULL) != OK)
        abort();
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        setting_done(relabel_settings, &rules[i]);
    return r;
}

static bool is_twice(const struct label *all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(all[i].name, all[n].name) == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct relabel *rules;
    rules = rules ? rules : make_rules();
    struct source_common common = {.name = (char[]){"s"},
                                   .pool = (char[]){"p"},
                                   .interval = 30 * SEC_NS,
                                   .min_interval = 5 * SEC_NS};
    struct source_env env = {.common = &common, .agent = {.instance = "node"}};
    struct label labels[LABELS];
    char *text = calloc(1, size + 1), *rest = text;
    memcpy(text, data, size);
    char *url = strsep(&rest, "\n");
    struct source_found found = {.url = *url ? url : NULL, .labels = labels};
    for (char *line; found.len < LABELS && (line = strsep(&rest, "\n"));) {
        char *equals = strchr(line, '=');
        if (!equals)
            continue;
        *equals = '\0';
        labels[found.len] = (struct label){line, equals + 1};
        found.len += !is_twice(labels, found.len);
    }
    run(&env, &found);
    env.relabel = rules;
    run(&env, &found);
    free(text);
    return 0;
}
