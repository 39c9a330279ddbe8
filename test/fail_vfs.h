/* SPDX-License-Identifier: Apache-2.0 */
/* fail_vfs.h - SQLite's own files, which fail when a test says so. */
#ifndef FAIL_VFS_H
#define FAIL_VFS_H

#include "base.h"

#include <sqlite3.h>
#include <time.h>

/* SQLite has other methods for a database than for its log; ours stand in front of each. */
struct fail_methods {
    sqlite3_io_methods ours; /* first */
    const sqlite3_io_methods *real;
};

static struct {
    sqlite3_vfs vfs;
    struct fail_methods methods[8];
    _Atomic int64_t writes_left; /* until one fails; below 0: none does */
    _Atomic int64_t quota;       /* the largest size of a file; 0: none */
    _Atomic int code;            /* that it fails with */
    _Atomic int reads, opens;    /* what these fail with; 0: they do not */
    _Atomic int64_t writes;      /* so far */
    _Atomic bool hangs;          /* no write returns */
    _Atomic int hanging;         /* writes in there */
} fail_vfs;

#define FAIL_VFS "fail"

static const sqlite3_io_methods *fail_real(const sqlite3_file *f)
{
    return ((const struct fail_methods *)(const void *)f->pMethods)->real;
}

static int fail_write(sqlite3_file *f, const void *data, int len, sqlite3_int64 at)
{
    fail_vfs.writes++;
    fail_vfs.hanging++;
    while (fail_vfs.hangs)
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    fail_vfs.hanging--;
    if (fail_vfs.quota > 0 && at + len > fail_vfs.quota)
        return SQLITE_FULL;
    if (fail_vfs.writes_left >= 0 && fail_vfs.writes_left-- == 0) {
        fail_vfs.writes_left = 0; /* and so do all that follow */
        return fail_vfs.code;
    }
    return fail_real(f)->xWrite(f, data, len, at);
}

static int fail_read(sqlite3_file *f, void *data, int len, sqlite3_int64 at)
{
    return fail_vfs.reads ? fail_vfs.reads : fail_real(f)->xRead(f, data, len, at);
}

static int fail_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    sqlite3_vfs *usual = v->pAppData;
    if (fail_vfs.opens)
        return fail_vfs.opens;
    int r = usual->xOpen(usual, name, f, flags, ret_flags);
    if (r != SQLITE_OK)
        return r;
    struct fail_methods *m = fail_vfs.methods;
    while (m->real && m->real != f->pMethods)
        m++;
    m->ours = *(m->real = f->pMethods);
    m->ours.xWrite = fail_write;
    m->ours.xRead = fail_read;
    f->pMethods = &m->ours;
    return SQLITE_OK;
}

/* Nothing fails, until told so. */
static inline void fail_vfs_reset(void)
{
    if (!fail_vfs.vfs.zName) {
        sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
        fail_vfs.vfs = *usual;
        fail_vfs.vfs.zName = FAIL_VFS;
        fail_vfs.vfs.pAppData = usual;
        fail_vfs.vfs.xOpen = fail_open;
        fail_vfs.vfs.pNext = NULL;
        sqlite3_vfs_register(&fail_vfs.vfs, 0);
    }
    fail_vfs.hangs = false;
    fail_vfs.writes_left = -1;
    fail_vfs.quota = 0;
    fail_vfs.code = SQLITE_IOERR_WRITE;
    fail_vfs.reads = fail_vfs.opens = 0;
    fail_vfs.writes = 0;
}

#endif
