/* SPDX-License-Identifier: Apache-2.0 */
#include "secret.h"

#include "clock.h"
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RACY_MS 1000 /* a file younger than this may change without a new time */

void secret_init(struct secret *s, const char *conf)
{
    *s = (struct secret){.conf = conf};
}

static void wipe(char *text, size_t len)
{
    if (text)
        explicit_bzero(text, len);
    mem_free(text);
}

static void forget(struct secret *s)
{
    wipe(s->text, s->text ? strlen(s->text) : 0);
    s->text = NULL;
}

void secret_done(struct secret *s)
{
    forget(s);
    *s = (struct secret){.conf = NULL};
}

const char *secret_path(const char *conf)
{
    return conf && strncmp(conf, "file:", 5) == 0 ? conf + 5 : NULL;
}

static bool same_file(const struct secret *s, const struct stat *st)
{
    return s->size == st->st_size && s->inode == st->st_ino && s->device == st->st_dev &&
           s->changed.tv_sec == st->st_ctim.tv_sec && s->changed.tv_nsec == st->st_ctim.tv_nsec;
}

static void note_file(struct secret *s, const struct stat *st)
{
    int64_t changed_ms = (int64_t)st->st_ctim.tv_sec * 1000 + st->st_ctim.tv_nsec / MS_NS;
    s->changed = st->st_ctim;
    s->size = st->st_size;
    s->inode = st->st_ino;
    s->device = st->st_dev;
    s->racy = clock_wall_ms() - changed_ms < RACY_MS;
}

void secret_look(struct secret *s)
{
    s->looked_ns = INT64_MIN / 2;
}

static enum status from_errno(struct err *err, const char *path, int why)
{
    bool denied = why == EACCES || why == EPERM;
    return err_set(err, denied ? ERR_DENIED : ERR_IO, "%s: %s", path, strerror(why));
}

/* Takes the line's end off and looks at the rest. */
static enum status check_line(char *text, size_t len, const char *path, struct err *err)
{
    if (len > SECRET_MAX)
        return err_set(err, ERR_LIMIT, "%s: a secret of more than %d bytes", path, SECRET_MAX);
    if (len > 0 && text[len - 1] == '\n')
        len--;
    if (len > 0 && text[len - 1] == '\r')
        len--;
    text[len] = '\0';
    if (len == 0)
        return err_set(err, ERR_IO, "%s: is empty", path);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' && text[i] != '\t')
            return err_set(err, ERR_INVALID, "%s: a control character, or a second line", path);
    return OK;
}

/* Reads fd to its end into a new string. */
static enum status read_all(int fd, const char *path, char **ret, struct err *err)
{
    size_t room = SECRET_MAX + 2, len = 0; /* one byte too many, and the NUL */
    char *text = mem_alloc(room);
    ssize_t n;
    while (len < room - 1 && (n = read(fd, text + len, room - 1 - len)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            enum status r = from_errno(err, path, errno);
            wipe(text, room);
            return r;
        }
        len += (size_t)n;
    }
    enum status r = check_line(text, len, path, err);
    if (r == OK)
        *ret = mem_strdup(text);
    wipe(text, room);
    return r;
}

static enum status read_file(struct secret *s, int fd, const char *path, char **ret,
                             struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return from_errno(err, path, errno);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s: is no regular file", path);
    enum status r = read_all(fd, path, ret, err);
    if (r == OK)
        note_file(s, &st);
    return r;
}

static enum status reread(struct secret *s, const char *path, struct err *err)
{
    struct err why;
    char *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO does not hold us up */
    enum status r = fd < 0 ? from_errno(&why, path, errno) : read_file(s, fd, path, &text, &why);
    if (fd >= 0)
        close(fd);
    if (r == OK) {
        forget(s);
        s->text = text;
        return OK;
    }
    if (s->text && (r == ERR_IO || r == ERR_DENIED))
        return OK;
    forget(s);
    return err_set(err, r, "%s", why.text);
}

static bool has_changed(const struct secret *s, const char *path)
{
    struct stat st;
    return !s->text || s->racy || stat(path, &st) != 0 || !same_file(s, &st);
}

enum status secret_get(struct secret *s, const char **ret, struct err *err)
{
    const char *path = secret_path(s->conf);
    if (!path) {
        *ret = s->conf && s->conf[0] ? s->conf : NULL;
        return OK;
    }
    int64_t now_ns = clock_mono_ns();
    if (!s->text || now_ns - s->looked_ns >= SEC_NS) {
        enum status r = has_changed(s, path) ? reread(s, path, err) : OK;
        if (r != OK)
            return r;
        s->looked_ns = now_ns;
    }
    *ret = s->text;
    return OK;
}
