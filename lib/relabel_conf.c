/* SPDX-License-Identifier: Apache-2.0 */
/* relabel_conf.c - what rules may say. */
#include "relabel.h"

#include "regex.h"

#include <assert.h>
#include <stdarg.h>
#include <openssl/evp.h>

const char *const relabel_actions[] = {"replace",   "keep",      "drop",      "keepequal",
                                       "dropequal", "hashmod",   "labelmap",  "labeldrop",
                                       "labelkeep", "lowercase", "uppercase", NULL};

const struct setting relabel_settings[] = {
    SETTING_LIST(relabel_rule_conf, source_labels, 0,
                 "labels whose values, joined by separator, the rule looks at"),
    SETTING_STRING(relabel_rule_conf, separator, ";", 0, "between the values of source_labels"),
    SETTING_STRING(relabel_rule_conf, regex, "(.*)", 0,
                   "regular expression (PCRE2) for all of the joined values, or of a label's name"),
    SETTING_INT(relabel_rule_conf, modulus, "0", 0, INT64_MAX,
                "of hashmod: how many numbers there are"),
    SETTING_STRING(relabel_rule_conf, target_label, "", 0,
                   "label that is set, or compared; with replace, $1 and ${name} are groups of "
                   "regex"),
    SETTING_STRING(relabel_rule_conf, replacement, "$1", 0,
                   "its value, or the label's new name; $1 and ${name} are groups of regex, $$ "
                   "is a dollar"),
    SETTING_CHOICE(relabel_rule_conf, action, "replace", relabel_actions, "what the rule does"),
    SETTING_END};

/* What an action has no use for is refused only where Prometheus refuses it, too. */
static const struct form {
    const char *refuses[6]; /* settings that must have their defaults */
    const char *takes;      /* what is left then */
    bool target;            /* needs target_label */
} forms[] = {
    [RELABEL_REPLACE] = {.target = true},
    [RELABEL_KEEPEQUAL] = {.refuses = {"separator", "regex", "modulus", "replacement"},
                           .takes = "source_labels and target_label",
                           .target = true},
    [RELABEL_DROPEQUAL] = {.refuses = {"separator", "regex", "modulus", "replacement"},
                           .takes = "source_labels and target_label",
                           .target = true},
    [RELABEL_HASHMOD] = {.target = true},
    [RELABEL_LABELDROP] = {.refuses = {"source_labels", "separator", "modulus", "target_label",
                                       "replacement"},
                           .takes = "regex"},
    [RELABEL_LABELKEEP] = {.refuses = {"source_labels", "separator", "modulus", "target_label",
                                       "replacement"},
                           .takes = "regex"},
    [RELABEL_LOWERCASE] = {.refuses = {"replacement"},
                           .takes = "source_labels, separator and target_label",
                           .target = true},
    [RELABEL_UPPERCASE] = {.refuses = {"replacement"},
                           .takes = "source_labels, separator and target_label",
                           .target = true},
};

#define NO_NAME_TEMPLATE                                                                        \
    "'%.80s' gives no name of a label: letters, digits, '_' and groups like $1 or ${name}, no " \
    "digit first"

/* Where the faults of one rule go. */
struct to {
    const struct setting_report *report;
    const char *prefix;
    size_t rule;
};

static void PRINTF(4, 5)
    tell(const struct to *to, const char *setting, size_t item, const char *fmt, ...)
{
    char name[128], text[240];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    snprintf(name, sizeof name, "%s[%zu].%s", to->prefix, to->rule, setting);
    setting_tell(to->report, name, item, "%s: %s", setting, text);
}

/* A name of a label, but for references to groups, which may stand anywhere. */
static bool is_name_template(const char *s)
{
    static const char word[] = "_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    if (*s == '\0' || (*s >= '0' && *s <= '9'))
        return false;
    while (*s) {
        size_t n = strspn(s, word);
        if (n == 0) {
            bool braces = s[0] == '$' && s[1] == '{';
            n = s[0] == '$' ? strspn(s + 1 + braces, word) : 0;
            if (n == 0 || (braces && s[2 + n] != '}'))
                return false;
            n += 1 + 2 * (size_t)braces;
        }
        s += n;
    }
    return true;
}

static bool is_label_name(const char *s)
{
    return text_is_label_name((struct span){s, strlen(s)});
}

static void check_target(const struct relabel_rule_conf *c, const struct to *to)
{
    const char *action = relabel_actions[c->action];
    if (c->target_label[0] == '\0')
        tell(to, "target_label", SETTING_ALL, "%s needs one", action);
    else if (strchr(c->target_label, '$') && c->action != RELABEL_REPLACE)
        tell(to, "target_label", SETTING_ALL, "'%.80s': %s fills in no groups, only replace does",
             c->target_label, action);
    else if (strchr(c->target_label, '$') && !is_name_template(c->target_label))
        tell(to, "target_label", SETTING_ALL, NO_NAME_TEMPLATE, c->target_label);
    else if (!strchr(c->target_label, '$') && !is_label_name(c->target_label))
        tell(to, "target_label", SETTING_ALL, "'%.80s' is no name of a label", c->target_label);
}

static void check_hash(const struct relabel_rule_conf *c, const struct to *to)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (c->modulus < 1)
        tell(to, "modulus", SETTING_ALL, "hashmod needs one of 1 or more");
    if (!EVP_Digest("", 0, digest, NULL, EVP_md5(), NULL))
        tell(to, "action", SETTING_ALL, "hashmod needs MD5, which OpenSSL refuses here");
}

static void check_rule(const struct relabel_rule_conf *c, const struct to *to)
{
    struct err err;
    struct regex *regex = NULL;
    assert(c->action < ARRAY_LEN(forms));
    const struct form *form = &forms[c->action];
    for (size_t i = 0; i < c->source_labels.len; i++)
        if (!is_label_name(c->source_labels.items[i]))
            tell(to, "source_labels", i, "'%.80s' is no name of a label",
                 c->source_labels.items[i]);
    if (regex_new(&regex, c->regex, &err) != OK)
        tell(to, "regex", SETTING_ALL, "%.200s", err.text + strlen("regex "));
    regex_free(regex);
    for (const char *const *name = form->refuses; *name; name++)
        if (!setting_is_default(setting_find(relabel_settings, *name), c))
            tell(to, *name, SETTING_ALL, "%s takes only %s", relabel_actions[c->action],
                 form->takes);
    if (form->target)
        check_target(c, to);
    if (c->action == RELABEL_HASHMOD)
        check_hash(c, to);
    if (c->action == RELABEL_LABELMAP && !is_name_template(c->replacement))
        tell(to, "replacement", SETTING_ALL, NO_NAME_TEMPLATE, c->replacement);
}

void relabel_check(const struct relabel_rule_conf *rules, size_t n, const char *prefix,
                   const struct setting_report *report)
{
    for (size_t i = 0; i < n; i++)
        check_rule(&rules[i], &(struct to){report, prefix, i});
}
