/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_files.c - files of certificates; the contract is in kafka_files.h. */
#include "kafka_files.h"

#include "clock.h"

static void look(struct stat stamps[3], const struct tls_conf *tls)
{
    const char *const paths[] = {tls->ca, tls->cert, tls->key};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (!paths[i][0] || stat(paths[i], &stamps[i]) != 0)
            stamps[i] = (struct stat){.st_size = 0};
}

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

void kafka_files_note(struct kafka_files *f, const struct tls_conf *tls)
{
    look(f->stamps, tls);
    f->looked_ns = clock_mono_ns();
}

bool kafka_files_changed(struct kafka_files *f, const struct tls_conf *tls)
{
    int64_t now_ns = clock_mono_ns();
    if (now_ns - f->looked_ns < SEC_NS)
        return false;
    f->looked_ns = now_ns;
    struct stat now[ARRAY_LEN(f->stamps)];
    look(now, tls);
    for (size_t i = 0; i < ARRAY_LEN(now); i++)
        if (!same(&now[i], &f->stamps[i]))
            return true;
    return false;
}
