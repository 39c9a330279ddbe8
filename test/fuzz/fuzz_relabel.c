/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_relabel.c - any rules on any labels: refused with a reason, or run within their limits,
 * twice with the same result.
 *     action|source_labels|regex|target_label|replacement|separator|modulus      a rule a line
 *     name=value                                                                a label a line */
#include "relabel.h"

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {"replace|",   "keep|",        "drop|",      "keepequal|",
                                  "dropequal|", "hashmod|",     "labelmap|",  "labeldrop|",
                                  "labelkeep|", "lowercase|",   "uppercase|", "|a",
                                  "|a,b",       "|__address__", "|(.*)",      "|(a|b)+",
                                  "|(?<n>.)",   "|(a*)*b",      "|b",         "|${1}",
                                  "|$1",        "|x_$n",        "|;",         "|7",
                                  "|",          "|$2$$",        "|a(b)?",     "|.{3}",
                                  "a=",         "b=foo",        "aa=a",       "=",
                                  "\n",         "\n",           "\n",         "a",
                                  "b",          "\xc3\xa9",     "(",          ")",
                                  NULL};

enum { RULES = 4, MAX_BYTES = 200 };

static bool set(const char *name, struct relabel_rule_conf *c, const char *value)
{
    return setting_set(setting_find(relabel_settings, name), c, value, NULL) == OK;
}

/* False when a setting refuses its text; c is to be freed all the same. */
static bool read_rule(struct relabel_rule_conf *c, char *line)
{
    static const char *const names[] = {"action",      "source_labels", "regex",  "target_label",
                                        "replacement", "separator",     "modulus"};
    setting_defaults(relabel_settings, c);
    for (size_t i = 0; line && i < ARRAY_LEN(names); i++) {
        char *bar = strchr(line, '|');
        if (bar)
            *bar = '\0';
        for (char *comma = strchr(line, ','); i == 1 && comma; comma = strchr(line, ',')) {
            *comma = '\0';
            if (!set(names[i], c, line))
                return false;
            line = comma + 1;
        }
        if (*line && !set(names[i], c, line))
            return false;
        line = bar ? bar + 1 : NULL;
    }
    return true;
}

static void read_label(struct label_set *s, const char *line, const char *equals)
{
    struct span name = {line, (size_t)(equals - line)};
    struct span value = {equals + 1, strlen(equals + 1)};
    if (text_is_label_name(name))
        (void)!label_set_set(s, name, value);
}

static void check_labels(const struct label_set *s)
{
    size_t bytes = 0;
    for (size_t i = 0; i < s->len; i++) {
        struct label_span l = label_set_at(s, i);
        struct span found = label_set_get(s, l.name);
        if (!text_is_label_name(l.name) || l.value.len == 0 || !text_is_utf8(l.value) ||
            found.data != l.value.data)
            abort();
        bytes += l.name.len + l.value.len;
    }
    if (bytes != s->bytes || bytes > s->max_bytes || s->len > LABEL_SET_MAX)
        abort();
}

static void copy(struct label_set *to, const struct label_set *from)
{
    label_set_reset(to);
    for (size_t i = 0; i < from->len; i++) {
        struct label_span l = label_set_at(from, i);
        if (label_set_set(to, l.name, l.value) != OK)
            abort();
    }
}

static bool same(const struct label_set *a, const struct label_set *b)
{
    for (size_t i = 0; i < a->len && a->len == b->len; i++) {
        struct label_span l = label_set_at(a, i);
        struct span other = label_set_get(b, l.name);
        if (other.len != l.value.len || memcmp(other.data, l.value.data, other.len) != 0)
            return false;
    }
    return a->len == b->len;
}

static void run(const struct relabel *r, struct label_set *first)
{
    struct relabel_work work;
    struct label_set second;
    struct err err = {0};
    size_t rule = 0, again = 1;
    relabel_work_init(&work);
    label_set_init(&second, MAX_BYTES);
    copy(&second, first);
    enum status status = relabel_apply(r, first, &work, &rule, &err);
    if (status != OK && (status != ERR_LIMIT || !err.text[0]))
        abort();
    check_labels(first);
    check_labels(&work.mapped);
    if (relabel_apply(r, &second, &work, &again, NULL) != status || !same(first, &second) ||
        (status == OK && rule != again))
        abort();
    if (status == OK && rule != RELABEL_KEPT && !relabel_action(r, rule))
        abort();
    label_set_done(&second);
    relabel_work_done(&work);
}

static void count(void *to, const char *setting, size_t item, const char *text)
{
    (void)item;
    if (!*setting || !*text)
        abort();
    ++*(size_t *)to;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct relabel_rule_conf rules[RULES] = {0};
    struct label_set labels;
    size_t n = 0, faults = 0;
    bool good = true;
    char *text = calloc(1, size + 1), *rest = text;
    memcpy(text, data, size);
    if (!text_is_utf8((struct span){text, strlen(text)})) { /* no file has such settings */
        free(text);
        return 0;
    }
    label_set_init(&labels, MAX_BYTES);
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *equals = strchr(line, '=');
        if (equals && !strchr(line, '|'))
            read_label(&labels, line, equals);
        else if (n < RULES)
            good = read_rule(&rules[n++], line) && good;
    }
    struct relabel *r = NULL;
    struct err err = {0};
    relabel_check(rules, n, "relabel", &(struct setting_report){count, &faults});
    enum status status = relabel_new(&r, rules, n, &err);
    if ((status == OK) != (faults == 0) || (status != OK && !err.text[0]))
        abort();
    if (status == OK && good)
        run(r, &labels);
    relabel_free(r);
    for (size_t i = 0; i < n; i++)
        setting_done(relabel_settings, &rules[i]);
    label_set_done(&labels);
    free(text);
    return 0;
}
