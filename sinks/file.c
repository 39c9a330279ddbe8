/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - appends payloads to a file, which it renews by size.
 *
 * A payload is in the file as a whole or not at all: what a full disk lets in of one is cut
 * off again.  The file is this sink's alone (flock); during a reload the old lane may hold it for
 * as long as it drains, and the new one waits.  A file that was moved or removed by others is made
 * anew.  A path that is no regular file (a FIFO, a device) can neither be cut
 * nor renewed: part of a payload may stay there before it comes again. */
#include "mem.h"
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX_MAX 12 /* bytes of ".1000" and more */

struct file_conf {
    char *path, *mode;
    bool fsync;
    int64_t rotate_size, keep;
};

struct file_sink {
    char *path;
    mode_t mode;
    bool fsync;
    off_t rotate_size;
    int64_t keep;
    struct sink_lane *lane;
    int fd; /* -1: not open */
    dev_t device;
    ino_t inode;
    bool regular;
    bool torn;   /* behind whole there may be a part of a payload */
    off_t whole; /* bytes up to the end of the last whole payload */
};

static const struct setting settings[] = {
    SETTING_STRING(file_conf, path, NULL, SETTING_REQUIRED, "file to append to"),
    SETTING_STRING(file_conf, mode, "0640", 0,
                   "rights of a new file, in octal, less the process' umask"),
    SETTING_BOOL(file_conf, fsync, "false",
                 "whether each payload is on the disk before it counts as delivered"),
    SETTING_BYTES(file_conf, rotate_size, "0", 0, INT64_C(1) << 50,
                  "size beyond which PATH becomes PATH.1 and a new file begins; 0: never"),
    SETTING_INT(file_conf, keep, "3", 0, 1000, "how many files PATH.1, PATH.2, ... are kept"),
    SETTING_END};

static void file_check(const void *conf, const struct setting_report *report)
{
    const struct file_conf *c = conf;
    size_t digits = strspn(c->mode, "01234567");
    if (digits < 3 || digits > 4 || c->mode[digits])
        setting_tell(report, "mode", SETTING_ALL, "mode: '%s' is no octal number like 0640",
                     c->mode);
    if (c->path[0] == '\0' || strlen(c->path) + SUFFIX_MAX >= PATH_MAX)
        setting_tell(report, "path", SETTING_ALL, "path: empty or too long");
}

/* Into a FIFO or a device, which nothing locks, any number may write. */
static const char *file_exclusive(const void *conf)
{
    const struct file_conf *c = conf;
    struct stat st;
    bool odd = c->path && stat(c->path, &st) == 0 && !S_ISREG(st.st_mode);
    return odd ? NULL : c->path;
}

static enum status file_open(void **ret_self, const void *conf, struct sink_lane *lane,
                             struct err *err)
{
    const struct file_conf *c = conf;
    struct err first = {OK, ""};
    struct setting_report report = setting_report_first(&first);
    file_check(conf, &report);
    if (first.status != OK)
        return err_set(err, first.status, "%s", first.text);
    struct file_sink *self = mem_alloc(sizeof *self);
    self->path = mem_strdup(c->path);
    self->mode = (mode_t)strtoul(c->mode, NULL, 8);
    self->fsync = c->fsync;
    self->rotate_size = c->rotate_size;
    self->keep = c->keep;
    self->lane = lane;
    self->fd = -1;
    *ret_self = self;
    return OK;
}

static enum status fail(const struct file_sink *f, const char *what, int why, struct err *err)
{
    static const int denied[] = {EACCES, EPERM, EROFS, EISDIR, ENOTDIR, ELOOP};
    enum status s = ERR_IO;
    for (size_t i = 0; i < ARRAY_LEN(denied); i++)
        if (why == denied[i])
            s = ERR_DENIED;
    return err_set(err, s, "%s: cannot %s as uid %u: %s", f->path, what, (unsigned)geteuid(),
                   strerror(why));
}

static void drop(struct file_sink *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    f->lane->connected = false;
}

/* False when the path is another file by now, or none. */
static bool is_current(const struct file_sink *f)
{
    struct stat st;
    return stat(f->path, &st) == 0 && st.st_ino == f->inode && st.st_dev == f->device;
}

/* Opens the file; a FIFO without a reader fails instead of waiting for one. */
static enum status ensure_open(struct file_sink *f, struct err *err)
{
    if (f->fd >= 0 && is_current(f))
        return OK;
    drop(f);
    f->fd = open(f->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, f->mode);
    if (f->fd < 0)
        return fail(f, "open", errno, err);
    struct stat st;
    int why = fstat(f->fd, &st) != 0 ? errno : 0;
    if (why == 0) {
        f->regular = S_ISREG(st.st_mode);
        if (f->regular && flock(f->fd, LOCK_EX | LOCK_NB) != 0)
            why = errno;
    }
    if (why != 0) {
        drop(f);
        if (why == EWOULDBLOCK)
            return err_set(err, ERR_AGAIN, "another output (or process) still writes to %.180s",
                           f->path);
        return fail(f, "use", why, err);
    }
    f->device = st.st_dev;
    f->inode = st.st_ino;
    f->whole = st.st_size;
    f->torn = false;
    f->lane->connected = true;
    f->lane->connects++;
    return OK;
}

/* Takes back what was written of a payload. */
static enum status mend(struct file_sink *f, struct err *err)
{
    if (!f->torn || !f->regular)
        return OK;
    while (ftruncate(f->fd, f->whole) != 0)
        if (errno != EINTR)
            return fail(f, "cut", errno, err);
    f->torn = false;
    return OK;
}

static void numbered(const struct file_sink *f, int64_t number, char out[PATH_MAX])
{
    if (number == 0)
        snprintf(out, PATH_MAX, "%s", f->path);
    else
        snprintf(out, PATH_MAX, "%s.%lld", f->path, (long long)number);
}

/* path.keep goes, each other file moves up by one, path begins anew. */
static enum status rotate(struct file_sink *f, struct err *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    if (f->keep == 0 && ftruncate(f->fd, 0) != 0)
        return fail(f, "empty", errno, err);
    if (f->keep == 0) {
        f->whole = 0;
        return OK;
    }
    for (int64_t i = f->keep; i > 0; i--) {
        numbered(f, i - 1, from);
        numbered(f, i, to);
        if (rename(from, to) != 0 && errno != ENOENT)
            return fail(f, "rotate", errno, err);
    }
    return ensure_open(f, err);
}

static enum status write_piece(struct file_sink *f, const char *data, size_t len, struct err *err)
{
    while (len > 0) {
        ssize_t wrote = write(f->fd, data, len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0 && errno == EAGAIN)
            return err_set(err, ERR_AGAIN, "%s: nobody reads", f->path);
        if (wrote <= 0)
            return fail(f, "write", wrote < 0 ? errno : EIO, err);
        data += wrote;
        len -= (size_t)wrote;
    }
    return OK;
}

static enum status write_all(struct file_sink *f, const struct payload *p, struct err *err)
{
    const char *tail = payload_tail(p);
    f->torn = true;
    enum status s = write_piece(f, p->body.data, p->body.len, err);
    if (s == OK)
        s = write_piece(f, tail, strlen(tail), err);
    if (s == OK && f->fsync && f->regular && fdatasync(f->fd) != 0)
        s = fail(f, "sync", errno, err);
    if (s == OK)
        f->torn = false;
    return s;
}

static enum status file_send(void *self, struct payload *p, int64_t deadline_ns, struct err *err)
{
    (void)deadline_ns;
    struct file_sink *f = self;
    off_t len = (off_t)(p->body.len + strlen(payload_tail(p)));
    enum status s = ensure_open(f, err);
    if (s == OK)
        s = mend(f, err);
    if (s == OK && f->regular && f->rotate_size > 0 && f->whole > 0 &&
        f->whole + len > f->rotate_size)
        s = rotate(f, err);
    if (s == OK)
        s = write_all(f, p, err);
    if (s != OK) {
        if (f->fd >= 0)
            (void)mend(f, NULL); /* else before the next one is written */
        return s;
    }
    f->whole += len;
    payload_end(p, OK);
    return OK;
}

static void file_close(void *self)
{
    struct file_sink *f = self;
    drop(f);
    mem_free(f->path);
    mem_free(f);
}

const struct sink_ops sink_file = {
    .name = "file",
    .help = "appends to a file, which it renews by size",
    .settings = settings,
    .conf_size = sizeof(struct file_conf),
    .max_payload = 16 << 20,
    .check = file_check,
    .exclusive = file_exclusive,
    .open = file_open,
    .send = file_send,
    .close = file_close,
};
