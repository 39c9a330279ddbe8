/* SPDX-License-Identifier: Apache-2.0 */
/* spool_file.c - what is beside the database: its lock, damaged ones, and who reads.
 *
 * The lock is a file of its own.  On the database itself SQLite's locks belong to the
 * process: closing any other descriptor of it would drop them all.  */
#include "clock.h"
#include "spool_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

static bool name_beside(char out[SPOOL_NAME_MAX], const char *file, const char *ending)
{
    int n = snprintf(out, SPOOL_NAME_MAX, "%s%s", file, ending);
    return n > 0 && n < SPOOL_NAME_MAX;
}

static int read_number(int fd)
{
    char text[16] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    return n > 0 ? (int)strtol(text, NULL, 10) : 0;
}

/* Who looks whether somebody has the file (spool_holder) shares its lock for a moment, and is waited
 * for.  False: errno says why. */
static bool take_lock(int fd)
{
    int64_t until_ns = clock_mono_ns() + SPOOL_OPEN_MS * MS_NS;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK || flock(fd, LOCK_SH | LOCK_NB) != 0)
            return false;
        flock(fd, LOCK_UN);
        errno = EWOULDBLOCK;
        if (clock_mono_ns() >= until_ns)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = MS_NS / 10}, NULL);
    }
    return true;
}

enum status spool_lock(struct spool *s, struct err *err)
{
    char name[SPOOL_NAME_MAX], text[16];
    if (!name_beside(name, s->file, ".lock"))
        return err_set(err, ERR_INVALID, "the spool's name is too long");
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_set(err, ERR_IO, "%.150s: %s", name, strerror(errno));
    if (!take_lock(fd)) {
        int holder = read_number(fd), number = errno;
        close(fd);
        if (number != EWOULDBLOCK)
            return err_set(err, ERR_IO, "%.150s: %s", name, strerror(number));
        return err_set(err, ERR_AGAIN, "process %d has the spool %.150s", holder, s->file);
    }
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
        errno = 0; /* a full disk: the lock holds without the number */
    s->lock_fd = fd;
    return OK;
}

void spool_unlock(struct spool *s)
{
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    s->lock_fd = -1;
}

int spool_holder(const char *file)
{
    char name[SPOOL_NAME_MAX];
    int holder = 0;
    if (!name_beside(name, file, ".lock"))
        return 0;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (flock(fd, LOCK_SH | LOCK_NB) != 0) {
        holder = read_number(fd);
        holder = holder > 0 ? holder : -1;
    }
    close(fd);
    return holder;
}

enum status spool_make_folder(const char *file, struct err *err)
{
    char name[SPOOL_NAME_MAX];
    if (!name_beside(name, file, "") || strlen(file) + 64 > SPOOL_NAME_MAX)
        return err_set(err, ERR_INVALID, "the spool's name is too long");
    for (char *p = name + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(name, 0750) != 0 && errno != EEXIST) {
            struct stat st;
            int number = errno; /* of a folder that is there on a read-only disk, too */
            if (stat(name, &st) != 0 || !S_ISDIR(st.st_mode))
                return err_set(err, ERR_IO, "%.150s: %s", name, strerror(number));
        }
        *p = '/';
    }
    return OK;
}

enum status spool_identify(struct spool *s, struct err *err)
{
    struct stat st;
    if (stat(s->file, &st) != 0)
        return err_set(err, ERR_IO, "%.150s: %s", s->file, strerror(errno));
    s->device = st.st_dev;
    s->inode = st.st_ino;
    return OK;
}

bool spool_is_there(const struct spool *s)
{
    struct stat st;
    if (stat(s->file, &st) != 0)
        return errno != ENOENT && errno != ENOTDIR;
    return st.st_dev == s->device && st.st_ino == s->inode;
}

/* Without this a disk that damages one file after the other would be filled with them. */
static bool pick_name(const struct spool *s, char out[SPOOL_NAME_MAX])
{
    char time_text[32], ending[64];
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(time_text, sizeof time_text, "%Y%m%dT%H%M%SZ", &tm);
    for (int i = 0; i < SPOOL_ASIDE_MAX; i++) {
        snprintf(ending, sizeof ending, ".corrupt-%s%s%.0d", time_text, i ? "-" : "", i);
        if (name_beside(out, s->file, ending) && access(out, F_OK) != 0)
            return true;
    }
    return false;
}

static size_t count_aside(const struct spool *s)
{
    char copy[SPOOL_NAME_MAX], start[SPOOL_NAME_MAX];
    if (!name_beside(copy, s->file, "") || !name_beside(start, s->file, ".corrupt-"))
        return SPOOL_ASIDE_MAX;
    const char *base = strrchr(start, '/');
    base = base ? base + 1 : start;
    size_t n = 0;
    DIR *dir = opendir(dirname(copy));
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        size_t len = strlen(e->d_name);
        bool log = len > 4 && strcmp(e->d_name + len - 4, "-wal") == 0;
        n += !log && strncmp(e->d_name, base, strlen(base)) == 0;
    }
    if (dir)
        closedir(dir);
    return n;
}

enum status spool_move_aside(const struct spool *s, char *ret_name, struct err *err)
{
    char log[SPOOL_NAME_MAX], moved_log[SPOOL_NAME_MAX], shared[SPOOL_NAME_MAX];
    if (count_aside(s) >= SPOOL_ASIDE_MAX)
        return err_set(err, ERR_IO,
                       "%.150s is damaged, and %d damaged ones are beside it already: look at "
                       "them, and remove them",
                       s->file, SPOOL_ASIDE_MAX);
    if (!pick_name(s, ret_name) || rename(s->file, ret_name) != 0)
        return err_set(err, ERR_IO, "%.150s is damaged and cannot be moved: %s", s->file,
                       strerror(errno));
    if (name_beside(log, s->file, "-wal") && name_beside(moved_log, ret_name, "-wal"))
        (void)!rename(log, moved_log); /* there may be none */
    if (name_beside(shared, s->file, "-shm"))
        unlink(shared);
    return OK;
}

/* One line of /proc/locks: "1: POSIX  ADVISORY  READ 4711 08:01:1234 123 123". */
static bool parse_lock(const char *line, unsigned long *ret_inode, int *ret_pid)
{
    char kind[16], how[16];
    unsigned major_number, minor_number;
    return sscanf(line, "%*s %15s %*s %15s %d %x:%x:%lu", kind, how, ret_pid, &major_number,
                  &minor_number, ret_inode) == 6 &&
           strcmp(kind, "POSIX") == 0;
}

static void read_name(int pid, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    FILE *f = fopen(path, "re");
    out[0] = '\0';
    if (!f)
        return;
    char line[64] = "";
    size_t n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    text_line(out, size, (struct span){line, n});
}

/* Readers of the log hold a lock on the memory that they share, which /proc/locks shows.  Opening
 * that file ourselves would drop our own locks when we close it. */
void spool_name_readers(const struct spool *s, char *out, size_t size)
{
    char shared[SPOOL_NAME_MAX], line[256], name[32];
    struct stat st;
    snprintf(out, size, "a process that cannot be seen from here");
    FILE *f = fopen("/proc/locks", "re");
    if (f && name_beside(shared, s->file, "-shm") && stat(shared, &st) == 0) {
        while (fgets(line, sizeof line, f)) {
            unsigned long inode;
            int pid;
            if (!parse_lock(line, &inode, &pid) || inode != st.st_ino || pid == getpid() ||
                pid <= 0)
                continue;
            read_name(pid, name, sizeof name);
            snprintf(out, size, "process %d (%s)", pid, name);
            break;
        }
    }
    if (f)
        fclose(f);
}
