/* SPDX-License-Identifier: Apache-2.0 */
#include "secret.h"

#include "buf.h"
#include "clock.h"
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void secret_init(struct secret *s, const char *conf)
{
    *s = (struct secret){.conf = conf};
}

void secret_done(struct secret *s)
{
    if (s->text)
        explicit_bzero(s->text, strlen(s->text));
    mem_free(s->text);
    *s = (struct secret){.conf = NULL};
}

const char *secret_path(const char *conf)
{
    return conf && strncmp(conf, "file:", 5) == 0 ? conf + 5 : NULL;
}

static bool same_file(const struct secret *s, const struct stat *st)
{
    return s->size == st->st_size && s->inode == st->st_ino &&
           s->mtime.tv_sec == st->st_mtim.tv_sec && s->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

/* Reads fd to its end into a new string. */
static enum status read_all(int fd, const char *path, char **ret, struct err *err)
{
    AUTO(buf) struct buf b = BUF_INIT(SECRET_MAX);
    char chunk[4096];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        if (buf_add(&b, chunk, (size_t)n) != OK)
            return err_set(err, ERR_LIMIT, "%s: a secret of more than %d bytes", path, SECRET_MAX);
    if (n < 0)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    if (b.len > 0 && b.data[b.len - 1] == '\n')
        buf_truncate(&b, b.len - 1);
    *ret = mem_strndup(b.data, strlen(b.data));
    explicit_bzero(b.data, b.len);
    return OK;
}

static enum status reread(struct secret *s, const char *path, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        return s->text ? OK : err_set(err, ERR_IO, "%s: %s", path, strerror(why));
    }
    char *text = NULL;
    enum status r = s->text && same_file(s, &st) ? OK : read_all(fd, path, &text, err);
    close(fd);
    if (text) {
        mem_free(s->text);
        s->text = text;
        s->mtime = st.st_mtim;
        s->size = st.st_size;
        s->inode = st.st_ino;
    }
    return r;
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
        enum status r = reread(s, path, err);
        if (r != OK)
            return r;
        s->looked_ns = now_ns;
    }
    *ret = s->text;
    return OK;
}
