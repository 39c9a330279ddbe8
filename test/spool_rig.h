/* SPDX-License-Identifier: Apache-2.0 */
/* spool_rig.h - a spool in a folder of its own, and payloads for it. */
#ifndef SPOOL_RIG_H
#define SPOOL_RIG_H

#include "clock.h"
#include "fail_vfs.h"
#include "mem.h"
#include "spool.h"
#include "test.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

struct spool_rig {
    char folder[64], file[96];
    struct spool_conf conf;
    struct spool *spool;
    struct spool_kinds *kinds;
    struct err err;
};

static inline void spool_rig_init(struct spool_rig *r)
{
    *r = (struct spool_rig){.folder = "/dev/shm/strata_spool_XXXXXX"}; /* no wait for a disk */
    if (access("/dev/shm", W_OK) != 0)
        memcpy(r->folder, "/tmp/strata_spool_XXXXXX", sizeof "/tmp/strata_spool_XXXXXX");
    if (!mkdtemp(r->folder))
        test_fail(__FILE__, __LINE__, "no folder");
    snprintf(r->file, sizeof r->file, "%s/main.out.db", r->folder);
    fail_vfs_reset();
    r->kinds = spool_kinds_new();
    r->conf = (struct spool_conf){.file = r->file,
                                  .size = SPOOL_SIZE_MIN,
                                  .max_body = 1 << 20,
                                  .vfs = FAIL_VFS,
                                  .kinds = r->kinds};
}

static inline enum status spool_rig_try(struct spool_rig *r)
{
    return spool_open(&r->spool, &r->conf, &r->err);
}

static inline void spool_rig_open(struct spool_rig *r)
{
    if (spool_rig_try(r) != OK)
        test_fail(__FILE__, __LINE__, "spool_open: %s", r->err.text);
}

static inline void spool_rig_close(struct spool_rig *r)
{
    spool_close(r->spool);
    r->spool = NULL;
}

static inline void spool_rig_done(struct spool_rig *r)
{
    spool_rig_close(r);
    DIR *dir = opendir(r->folder);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;)
        unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
    rmdir(r->folder);
    spool_kinds_free(r->kinds);
}

/* How many files of the folder have text in their names; the last one's name in out. */
static inline size_t spool_rig_files(const struct spool_rig *r, const char *text, char out[256])
{
    size_t n = 0;
    DIR *dir = opendir(r->folder);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;)
        if (strstr(e->d_name, text)) {
            n++;
            if (out)
                snprintf(out, 256, "%s", e->d_name);
        }
    closedir(dir);
    return n;
}

static inline int64_t spool_rig_bytes(const struct spool_rig *r, const char *ending)
{
    char name[160];
    struct stat st;
    snprintf(name, sizeof name, "%s%s", r->file, ending);
    return stat(name, &st) == 0 ? st.st_size : 0;
}

/* Body of so many bytes that do not compress, another for each seq; 3 samples. */
static inline struct payload *spool_rig_payload(int64_t seq, size_t bytes)
{
    struct payload *p = payload_new("shop/a", 1 << 22);
    uint64_t random = (uint64_t)seq * 0x9E3779B97F4A7C15 + 1;
    for (size_t i = 0; i < bytes; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if (buf_add(&p->body, &random, 1) != OK)
            abort();
    }
    p->seq = seq;
    p->id = (struct payload_id){(uint64_t)seq, 7};
    p->samples = 3;
    p->due_ms = 1000 * seq;
    p->scraped_ms = 1000 * seq + 5;
    p->content_type = "application/json";
    return p;
}

/* Writes payloads first to last, and frees them. */
static inline enum status spool_rig_write(struct spool_rig *r, int64_t first, int64_t last,
                                          size_t bytes)
{
    enum status s = OK;
    for (int64_t seq = first; seq <= last && s == OK; seq++) {
        struct payload *p = spool_rig_payload(seq, bytes);
        struct spool_write w = {.add = &p, .add_len = 1};
        s = spool_write(r->spool, &w, &r->err);
        payload_free(p);
    }
    return s;
}

/* The next payload, or NULL. */
static inline struct payload *spool_rig_read(struct spool_rig *r)
{
    struct spool_row row;
    enum status s = spool_next(r->spool, &row, &r->err);
    if (s == ERR_TIMEOUT)
        return NULL;
    if (s != OK)
        test_fail(__FILE__, __LINE__, "spool_next: %s", r->err.text);
    struct payload *p = payload_new("", (size_t)row.bytes);
    s = spool_restore(r->spool, &row, p, &r->err);
    if (s != OK)
        test_fail(__FILE__, __LINE__, "spool_restore: %s", r->err.text);
    return p;
}

/* The seq of the next payload, 0: there is none. */
static inline int64_t spool_rig_next(struct spool_rig *r)
{
    struct payload *p = spool_rig_read(r);
    int64_t seq = p ? p->seq : 0;
    payload_free(p);
    return seq;
}

#endif
