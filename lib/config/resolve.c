/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve.h"

#include "mem.h"

#include <unistd.h>

/* $NODE_NAME, which a DaemonSet sets, is the same after a pod is made anew; its host's name is
 * not. */
char *resolve_instance(void)
{
    char host[256] = "";
    const char *node = getenv("NODE_NAME");
    if (node && node[0])
        return mem_strdup(node);
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        return mem_strdup("localhost");
    return mem_strdup(host);
}

/* The name of an encoder may have a '_', that of an output may not. */
char *resolve_output_name(const struct encoder_ops *e, const char *sink)
{
    if (!e || !sink)
        return NULL;
    size_t n = strlen(e->name) + 1 + strlen(sink);
    char *name = mem_alloc(n + 1);
    snprintf(name, n + 1, "%s-%s", e->name, sink);
    for (char *p = name; *p; p++)
        if (*p == '_')
            *p = '-';
    return name;
}

static bool is_one_of(const char *const *words, const char *word)
{
    if (!words)
        return true;
    while (*words && strcmp(*words, word) != 0)
        words++;
    return *words;
}

static enum status refuse(struct err *err, const struct encoder_ops *e, const struct sink_ops *s,
                          const char *but, const char *const *words)
{
    AUTO(buf) struct buf list = BUF_INIT(120);
    enum status r = OK;
    for (size_t i = 0; words[i] && r == OK; i++)
        r = buf_cat(&list, i ? ", " : "", words[i], NULL);
    return err_set(err, ERR_INVALID, "%s does not go into %s, %s %s", e->name, s->name, but,
                   list.data);
}

enum status resolve_pair(const struct encoder_ops *e, const struct sink_ops *s, struct err *err)
{
    if (!is_one_of(s->encoders, e->name))
        return refuse(err, e, s, "which takes only", s->encoders);
    if (!is_one_of(e->sinks, s->name))
        return refuse(err, e, s, "only into", e->sinks);
    return OK;
}
