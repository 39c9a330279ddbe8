/* SPDX-License-Identifier: Apache-2.0 */
/* sources_standin.h - a source for tests of the configuration alone. */
#ifndef SOURCES_STANDIN_H
#define SOURCES_STANDIN_H

#include "discover.h"
#include "mem.h"

struct standin_conf {
    struct text_list targets;
    struct text_map labels;
};

static const struct setting standin_settings[] = {
    SETTING_LIST(standin_conf, targets, SETTING_REQUIRED, "URLs"),
    SETTING_MAP(standin_conf, labels, 0, "labels of every target"), SETTING_END};

static enum status standin_open(void **ret_self, const void *conf, const struct source_env *env,
                                struct err *err)
{
    const struct standin_conf *c = conf;
    for (size_t i = 0; i < c->targets.len; i++)
        if (strncmp(c->targets.items[i], "http", 4) != 0)
            return err_set(err, ERR_INVALID, "static: '%s' is no URL", c->targets.items[i]);
    *ret_self = mem_strdup(env->common->name);
    return OK;
}

static const struct source_ops source_static = {
    .name = "static",
    .help = "a fixed list of URLs",
    .settings = standin_settings,
    .conf_size = sizeof(struct standin_conf),
    .open = standin_open,
    .close = mem_free,
};

static const struct source_ops *const standins[] = {&source_static, NULL};

const struct source_ops *const *source_all(void)
{
    return standins;
}

const struct source_ops *source_find(const char *name)
{
    return strcmp(name, "static") == 0 ? &source_static : NULL;
}

#endif
