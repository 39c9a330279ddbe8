/* SPDX-License-Identifier: Apache-2.0 */
/* relabel.c - the actions, each on one set of labels. */
#include "relabel.h"

#include "mem.h"
#include "regex.h"

#include <inttypes.h>
#include <openssl/evp.h>

struct rule {
    struct relabel_rule_conf conf;
    struct regex *regex;
};

struct relabel {
    size_t len;
    struct rule rules[];
};

static enum status check_all(const struct relabel_rule_conf *rules, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct err first = {0};
        struct setting_report report = setting_report_first(&first);
        relabel_check(&rules[i], 1, "relabel", &report);
        if (first.status != OK)
            return err_set(err, ERR_INVALID, "rule %zu: %.200s", i, first.text);
    }
    return OK;
}

enum status relabel_new(struct relabel **ret, const struct relabel_rule_conf *rules, size_t n,
                        struct err *err)
{
    enum status status = check_all(rules, n, err);
    if (status != OK)
        return status;
    struct relabel *r = mem_alloc(sizeof *r + n * sizeof r->rules[0]);
    for (size_t i = 0; i < n && status == OK; i++) {
        setting_copy(relabel_settings, &r->rules[i].conf, &rules[i]);
        status = regex_new(&r->rules[i].regex, rules[i].regex, err);
        r->len++;
    }
    if (status == OK)
        *ret = r;
    else
        relabel_free(r);
    return status;
}

void relabel_free(struct relabel *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->len; i++) {
        setting_done(relabel_settings, &r->rules[i].conf);
        regex_free(r->rules[i].regex);
    }
    mem_free(r);
}

const char *relabel_action(const struct relabel *r, size_t rule)
{
    return relabel_actions[r->rules[rule].conf.action];
}

void relabel_work_init(struct relabel_work *w)
{
    struct buf empty = BUF_INIT(RELABEL_MAX_BYTES);
    w->joined = w->name = w->value = empty;
    label_set_init(&w->mapped, RELABEL_MAX_BYTES);
}

void relabel_work_done(struct relabel_work *w)
{
    buf_done(&w->joined);
    buf_done(&w->name);
    buf_done(&w->value);
    label_set_done(&w->mapped);
}

static struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static struct span span_of_buf(const struct buf *b)
{
    return (struct span){b->data, b->len};
}

static enum status join(const struct relabel_rule_conf *conf, const struct label_set *labels,
                        struct buf *out)
{
    enum status status = OK;
    buf_truncate(out, 0);
    for (size_t i = 0; i < conf->source_labels.len && status == OK; i++) {
        struct span value = label_set_get(labels, span_of(conf->source_labels.items[i]));
        if (i > 0)
            status = buf_puts(out, conf->separator);
        if (status == OK)
            status = buf_add(out, value.data, value.len);
    }
    return status;
}

static enum status replace(const struct rule *rule, struct label_set *labels,
                           struct relabel_work *w)
{
    const char *target = rule->conf.target_label;
    bool matched = false;
    buf_truncate(&w->name, 0);
    buf_truncate(&w->value, 0);
    enum status status = regex_replace(rule->regex, span_of_buf(&w->joined), rule->conf.replacement,
                                       &w->value, &matched);
    if (status != OK || !matched)
        return status;
    if (strchr(target, '$'))
        status = regex_replace(rule->regex, span_of_buf(&w->joined), target, &w->name, &matched);
    else
        status = buf_puts(&w->name, target);
    if (status != OK || !text_is_label_name(span_of_buf(&w->name)))
        return status;
    return label_set_set(labels, span_of_buf(&w->name), span_of_buf(&w->value));
}

/* Prometheus takes the last 8 of the 16 bytes, the highest first. */
static enum status hashmod(const struct rule *rule, struct label_set *labels,
                           struct relabel_work *w)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[24];
    uint64_t number = 0;
    if (!EVP_Digest(w->joined.data, w->joined.len, digest, NULL, EVP_md5(), NULL))
        abort(); /* relabel_check has tried it */
    for (size_t i = 8; i < 16; i++)
        number = number << 8 | digest[i];
    int len = snprintf(text, sizeof text, "%" PRIu64, number % (uint64_t)rule->conf.modulus);
    return label_set_set(labels, span_of(rule->conf.target_label),
                         (struct span){text, (size_t)len});
}

/* All names are looked at before the first is set: what the rule makes, it does not map. */
static enum status labelmap(const struct rule *rule, struct label_set *labels,
                            struct relabel_work *w)
{
    enum status status = OK;
    label_set_reset(&w->mapped);
    for (size_t i = 0; i < labels->len && status == OK; i++) {
        struct label_span label = label_set_at(labels, i);
        bool matched = false;
        buf_truncate(&w->name, 0);
        status = regex_replace(rule->regex, label.name, rule->conf.replacement, &w->name, &matched);
        if (status == OK && matched && text_is_label_name(span_of_buf(&w->name)))
            status = label_set_set(&w->mapped, span_of_buf(&w->name), label.value);
    }
    for (size_t i = 0; i < w->mapped.len && status == OK; i++) {
        struct label_span label = label_set_at(&w->mapped, i);
        status = label_set_set(labels, label.name, label.value);
    }
    return status;
}

static void remove_labels(const struct rule *rule, struct label_set *labels, bool matching)
{
    for (size_t i = labels->len; i > 0; i--)
        if (regex_match(rule->regex, label_set_at(labels, i - 1).name) == matching)
            label_set_remove_at(labels, i - 1);
}

/* first to last: the letters that change. */
static enum status change_case(const struct rule *rule, struct label_set *labels,
                               struct relabel_work *w, char first, char last)
{
    for (size_t i = 0; i < w->joined.len; i++)
        if (w->joined.data[i] >= first && w->joined.data[i] <= last)
            w->joined.data[i] ^= 'a' ^ 'A';
    return label_set_set(labels, span_of(rule->conf.target_label), span_of_buf(&w->joined));
}

static bool equal(const struct rule *rule, const struct label_set *labels,
                  const struct relabel_work *w)
{
    struct span value = label_set_get(labels, span_of(rule->conf.target_label));
    return value.len == w->joined.len && memcmp(value.data, w->joined.data, value.len) == 0;
}

static enum status apply(const struct rule *rule, struct label_set *labels, struct relabel_work *w,
                         bool *ret_kept)
{
    enum status status = join(&rule->conf, labels, &w->joined);
    if (status != OK)
        return status;
    *ret_kept = true;
    switch ((enum relabel_action)rule->conf.action) {
    case RELABEL_REPLACE: return replace(rule, labels, w);
    case RELABEL_KEEP: *ret_kept = regex_match(rule->regex, span_of_buf(&w->joined)); break;
    case RELABEL_DROP: *ret_kept = !regex_match(rule->regex, span_of_buf(&w->joined)); break;
    case RELABEL_KEEPEQUAL: *ret_kept = equal(rule, labels, w); break;
    case RELABEL_DROPEQUAL: *ret_kept = !equal(rule, labels, w); break;
    case RELABEL_HASHMOD: return hashmod(rule, labels, w);
    case RELABEL_LABELMAP: return labelmap(rule, labels, w);
    case RELABEL_LABELDROP: remove_labels(rule, labels, true); break;
    case RELABEL_LABELKEEP: remove_labels(rule, labels, false); break;
    case RELABEL_LOWERCASE: return change_case(rule, labels, w, 'A', 'Z');
    case RELABEL_UPPERCASE: return change_case(rule, labels, w, 'a', 'z');
    }
    return OK;
}

enum status relabel_apply(const struct relabel *r, struct label_set *labels, struct relabel_work *w,
                          size_t *ret_rule, struct err *err)
{
    for (size_t i = 0; i < r->len; i++) {
        bool kept = true;
        enum status status = apply(&r->rules[i], labels, w, &kept);
        if (status != OK)
            return err_set(err, status,
                           "rule %zu (%s): no room for its labels: at most %d, of %zu bytes", i,
                           relabel_action(r, i), LABEL_SET_MAX, labels->max_bytes);
        if (!kept) {
            *ret_rule = i;
            return OK;
        }
    }
    *ret_rule = RELABEL_KEPT;
    return OK;
}
