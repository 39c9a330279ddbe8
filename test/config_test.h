/* SPDX-License-Identifier: Apache-2.0 */
/* config_test.h - the smallest good configuration, and the faults of others. */
#ifndef CONFIG_TEST_H
#define CONFIG_TEST_H

#include "config.h"
#include "test.h"

#define MIN_SOURCE "sources: [{name: s, static: {targets: [\"http://a\"]}, pool: main}]\n"
#define MIN_POOL   "pools: [{name: main, outputs: [{json: , sink: out}]}]\n"
#define MIN_SINK   "sinks: [{name: out, stdout: }]\n"
#define MIN        MIN_SOURCE MIN_POOL MIN_SINK

static inline enum status parse(struct config **ret, const char *text, struct faults *f)
{
    return config_parse(ret, (struct span){text, strlen(text)}, f);
}

/* "LINE:COLUMN: text\n" of every fault; "" for a good file. */
static inline const char *faults_of(const char *text)
{
    static char said[8192];
    AUTO(buf) struct buf b = BUF_INIT(sizeof said - 1);
    struct faults f = {0};
    struct config *c = NULL;
    enum status s = parse(&c, text, &f);
    faults_print(&f, "f", &b);
    size_t faults = f.len;
    faults_done(&f);
    config_free(c);
    CHECK_INT(s, faults ? ERR_INVALID : OK);
    CHECK((c != NULL) == (s == OK));
    memcpy(said, b.data, b.len + 1);
    return said;
}

#endif
