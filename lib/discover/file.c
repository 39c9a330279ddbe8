/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - targets from files as Prometheus' file_sd has them, watched.
 *
 * Watched are the folders, not the files: that is how a file is seen that comes later, that an
 * editor replaces, or that a ConfigMap replaces by its link `..data`.  What no folder tells
 * (a folder that appears, a link into a folder elsewhere) is found every `refresh`.
 *
 * A faulty file keeps the targets of its last good content.  Those are kept as targets, not
 * as text: all files together never hold more than the bound of targets.  A file that had
 * some of its targets refused is therefore read again at each look, for there may be room now. */
#include "budget.h"
#include "clock.h"
#include "feed.h"
#include "file_sd.h"
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILES_MAX = 1000,  /* of one source */
    FOLDERS_MAX = 256, /* likewise, watched */
    RACY_MS = 1000,    /* a file younger than this may change without a new time */
    PATH_SHOWN = 100,  /* bytes of a path in a message; its end */
};
#define DEBOUNCE_NS (50 * MS_NS)
#define EVENTS                                                                          \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | \
     IN_DELETE_SELF | IN_MOVE_SELF)

struct file_conf {
    struct text_list files;
    int64_t refresh;
};

static const struct setting settings[] = {
    SETTING_LIST(file_conf, files, SETTING_REQUIRED, "JSON or YAML files; shell patterns"),
    SETTING_DURATION(file_conf, refresh, "5m", SEC_NS, 24 * 3600 * SEC_NS,
                     "between two looks at files that no change was told of"),
    SETTING_END,
};

struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct file {
    char *path;
    struct stamp stamp; /* of what was read last, good or not */
    bool known;         /* the stamp counts */
    bool racy;          /* it was so young then that the stamp proves nothing */
    bool whole;         /* none of its targets was refused */
    struct err fault;   /* status OK: none */
    struct target **targets;
    size_t len;
};

struct files {
    struct file_conf conf;
    struct feed feed;
    int watch_fd;           /* -1: the system has none left */
    struct err watch_fault; /* status OK: none */
    int watches[FOLDERS_MAX];
    size_t watches_len;
    struct file *files; /* in the order of their targets */
    size_t len;
    int64_t due_ns; /* of the next look; DEADLINE_NEVER: nothing has changed */
    int64_t refresh_ns;
    size_t reading; /* bytes of a file, in the budget */
};

/* The targets of one file. */

static void forget_targets(struct file *f)
{
    for (size_t i = 0; i < f->len; i++)
        target_unref(f->targets[i]);
    mem_free(f->targets);
    f->targets = NULL;
    f->len = 0;
}

static void keep_targets(struct files *s, struct file *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->len; i++) {
        if (feed_keep(&s->feed, f->targets[i]) == OK)
            f->targets[kept++] = f->targets[i];
        else
            target_unref(f->targets[i]);
    }
    f->whole = f->whole && kept == f->len;
    f->len = kept;
}

struct adder {
    struct files *files;
    struct file *file;
};

static void add_target(void *to, const char *url, const struct text_map *labels)
{
    struct adder *a = to;
    struct file *f = a->file;
    struct target *t = NULL;
    if (feed_add(&a->files->feed, url, labels, &t, NULL) != OK) {
        f->whole = false;
        return;
    }
    if (!t)
        return;
    if ((f->len & (f->len - 1)) == 0)
        f->targets = mem_realloc(f->targets, (f->len ? 2 * f->len : 1) * sizeof(struct target *));
    f->targets[f->len++] = t;
}

/* Reading. */

static struct stamp stamp_of(const struct stat *st)
{
    return (struct stamp){st->st_dev, st->st_ino, st->st_size, st->st_mtim, st->st_ctim};
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           same_time(a->modified, b->modified) && same_time(a->changed, b->changed);
}

static enum status from_errno(struct err *err, int why)
{
    bool denied = why == EACCES || why == EPERM;
    return err_set(err, denied ? ERR_DENIED : ERR_IO, " %s", strerror(why));
}

static enum status read_text(int fd, struct buf *text, struct err *err)
{
    char chunk[65536];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        if (buf_add(text, chunk, (size_t)n) != OK)
            return err_set(err, ERR_LIMIT, " more than %zu bytes", text->max);
    return n == 0 ? OK : from_errno(err, errno);
}

static enum status read_open(struct file *f, int fd, struct buf *text, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return from_errno(err, errno);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, " is no regular file");
    int64_t age_ms =
        clock_wall_ms() - ((int64_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / MS_NS);
    f->stamp = stamp_of(&st);
    f->known = true;
    f->racy = age_ms < RACY_MS;
    return read_text(fd, text, err);
}

/* ERR_CLOSED: it is not there. */
static enum status read_file(struct file *f, struct buf *text, struct err *err)
{
    f->known = false;
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO does not hold us up */
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? ERR_CLOSED : from_errno(err, errno);
    enum status s = read_open(f, fd, text, err);
    close(fd);
    return s;
}

static bool is_json(const char *path)
{
    size_t len = strlen(path);
    return len > 5 && strcmp(path + len - 5, ".json") == 0;
}

/* what starts with a space, or with LINE:COLUMN. */
static void set_fault(struct file *f, enum status s, const char *what)
{
    size_t len = strlen(f->path);
    bool cut = len > PATH_SHOWN;
    (void)err_set(&f->fault, s, "%s%s:%s", cut ? "..." : "",
                  cut ? f->path + len - PATH_SHOWN : f->path, what);
}

static void load_file(struct files *s, struct file *f)
{
    AUTO(buf) struct buf text = BUF_INIT(FILE_SD_BYTES);
    struct err why = {.status = OK};
    struct file old = *f;
    enum status r = read_file(f, &text, &why);
    budget_count(BUDGET_DISCOVERY, &s->reading, text.cap);
    if (r == ERR_CLOSED) {
        forget_targets(f);
        f->fault.status = OK;
        return;
    }
    f->targets = NULL;
    f->len = 0;
    f->whole = true;
    if (r == OK)
        r = file_sd_read((struct span){text.data, text.len}, is_json(f->path), add_target,
                         &(struct adder){s, f}, &why);
    if (r == OK) {
        f->fault.status = OK;
        forget_targets(&old);
        return;
    }
    f->targets = old.targets;
    f->len = old.len;
    set_fault(f, r, why.text);
    keep_targets(s, f);
}

static void look_at_file(struct files *s, struct file *f)
{
    struct stat st;
    if (f->known && !f->racy && (f->whole || f->fault.status != OK) && stat(f->path, &st) == 0) {
        struct stamp now = stamp_of(&st);
        if (same_stamp(&now, &f->stamp)) {
            keep_targets(s, f);
            return;
        }
    }
    load_file(s, f);
    budget_count(BUDGET_DISCOVERY, &s->reading, 0);
}

/* Which files there are. */

static void done_file(struct file *f)
{
    forget_targets(f);
    mem_free(f->path);
}

static struct file *find_file(struct file *files, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++)
        if (files[i].path && strcmp(files[i].path, path) == 0)
            return &files[i];
    return NULL;
}

/* path goes behind what found holds, with what is known of it. */
static void find_one(struct files *s, const char *path, struct file *found, size_t *len)
{
    if (path[strlen(path) - 1] == '/' || find_file(found, *len, path))
        return; /* a folder, or there by an earlier pattern */
    if (*len == FILES_MAX) {
        feed_refuse(&s->feed, path, "above the bound of 1000 files");
        return;
    }
    struct file *known = find_file(s->files, s->len, path);
    if (known) {
        found[(*len)++] = *known;
        *known = (struct file){.path = NULL};
    } else {
        found[(*len)++] = (struct file){.path = mem_strdup(path)};
    }
}

static void find_files(struct files *s)
{
    struct file *found = mem_alloc(FILES_MAX * sizeof *found);
    size_t len = 0;
    for (size_t i = 0; i < s->conf.files.len; i++) {
        glob_t g = {.gl_pathc = 0};
        if (glob(s->conf.files.items[i], GLOB_MARK, NULL, &g) == 0)
            for (size_t k = 0; k < g.gl_pathc; k++)
                find_one(s, g.gl_pathv[k], found, &len);
        globfree(&g);
    }
    for (size_t i = 0; i < s->len; i++)
        done_file(&s->files[i]); /* those that are gone */
    mem_free(s->files);
    s->files = mem_realloc(found, (len ? len : 1) * sizeof *found);
    s->len = len;
}

/* Watching. */

static bool has_watch(const int *watches, size_t n, int watch)
{
    for (size_t i = 0; i < n; i++)
        if (watches[i] == watch)
            return true;
    return false;
}

static void watch_folder(struct files *s, const char *path, int *watches, size_t *len)
{
    if (*len == FOLDERS_MAX) {
        (void)err_set(&s->watch_fault, ERR_LIMIT, "more than %d folders to watch", FOLDERS_MAX);
        return;
    }
    int watch = inotify_add_watch(s->watch_fd, path, EVENTS | IN_ONLYDIR);
    if (watch < 0 && errno != ENOENT && errno != ENOTDIR)
        (void)err_set(&s->watch_fault, ERR_IO, "%.100s: cannot be watched: %s", path,
                      strerror(errno));
    if (watch >= 0 && !has_watch(watches, *len, watch))
        watches[(*len)++] = watch;
}

/* The same folder gives the same watch again. */
static void watch_folders(struct files *s)
{
    int watches[FOLDERS_MAX];
    size_t len = 0;
    if (s->watch_fd < 0)
        return;
    s->watch_fault.status = OK;
    for (size_t i = 0; i < s->conf.files.len; i++) {
        const char *pattern = s->conf.files.items[i], *slash = strrchr(pattern, '/');
        char *folder =
            slash ? mem_strndup(pattern, (size_t)(slash - pattern) + 1) : mem_strdup(".");
        glob_t g = {.gl_pathc = 0};
        if (glob(folder, GLOB_ONLYDIR, NULL, &g) == 0)
            for (size_t k = 0; k < g.gl_pathc; k++)
                watch_folder(s, g.gl_pathv[k], watches, &len);
        globfree(&g);
        mem_free(folder);
    }
    for (size_t i = 0; i < s->watches_len; i++)
        if (!has_watch(watches, len, s->watches[i]))
            inotify_rm_watch(s->watch_fd, s->watches[i]);
    memcpy(s->watches, watches, len * sizeof *watches);
    s->watches_len = len;
}

/* True: something in a watched folder has changed, whatever it is. */
static bool read_events(struct files *s)
{
    _Alignas(struct inotify_event) char room[4096];
    bool changed = false;
    ssize_t n;
    while (s->watch_fd >= 0 && (n = read(s->watch_fd, room, sizeof room)) > 0) {
        for (const char *p = room; p < room + n;) {
            struct inotify_event e;
            memcpy(&e, p, sizeof e);
            changed = changed || !(e.mask & IN_IGNORED);
            p += sizeof e + e.len;
        }
    }
    return changed;
}

/* Folders first: what changes after a file was read is then told. */
static void look(struct files *s)
{
    watch_folders(s);
    feed_begin(&s->feed);
    find_files(s);
    for (size_t i = 0; i < s->len; i++)
        look_at_file(s, &s->files[i]);
    feed_end(&s->feed);
}

/* The source. */

static enum status first_fault(const struct files *s, struct err *err)
{
    const struct err *first = NULL;
    size_t faults = 0;
    for (size_t i = 0; i < s->len; i++) {
        if (s->files[i].fault.status == OK)
            continue;
        first = first ? first : &s->files[i].fault;
        faults++;
    }
    if (!first)
        return s->watch_fault.status == OK
                   ? OK
                   : err_set(err, s->watch_fault.status, "%s", s->watch_fault.text);
    if (faults == 1)
        return err_set(err, first->status, "%s", first->text);
    return err_set(err, first->status, "%.200s (and %zu other files)", first->text, faults - 1);
}

static void file_close(void *self)
{
    struct files *s = self;
    for (size_t i = 0; i < s->len; i++)
        done_file(&s->files[i]);
    mem_free(s->files);
    feed_done(&s->feed);
    setting_done(settings, &s->conf);
    if (s->watch_fd >= 0)
        close(s->watch_fd);
    mem_free(s);
}

static void file_check(const void *conf, const struct source_env *env,
                       const struct setting_report *report)
{
    (void)env;
    const struct file_conf *c = conf;
    for (size_t i = 0; i < c->files.len; i++)
        if (c->files.items[i][0] == '\0')
            setting_tell(report, "files", i, "files: number %zu is empty", i + 1);
}

static enum status file_open(void **ret_self, const void *conf, const struct source_env *env,
                             struct err *err)
{
    struct err first = {OK, ""};
    struct setting_report report = setting_report_first(&first);
    file_check(conf, env, &report);
    if (first.status != OK)
        return err_set(err, first.status, "%s", first.text);
    struct files *s = mem_alloc(sizeof *s);
    setting_copy(settings, &s->conf, conf);
    feed_init(&s->feed, env);
    s->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (s->watch_fd < 0)
        (void)err_set(&s->watch_fault, ERR_IO, "no change is told of: %s", strerror(errno));
    s->due_ns = DEADLINE_NOW;
    s->refresh_ns = DEADLINE_NEVER;
    *ret_self = s;
    return OK;
}

static int file_fd(const void *self)
{
    const struct files *s = self;
    return s->watch_fd;
}

static int64_t file_timer_ns(const void *self)
{
    const struct files *s = self;
    return clock_earlier(s->due_ns, s->refresh_ns);
}

static enum status file_ready(void *self, const struct target_emit *emit, struct err *err)
{
    struct files *s = self;
    int64_t now_ns = clock_mono_ns();
    if (read_events(s) && s->due_ns == DEADLINE_NEVER)
        s->due_ns = now_ns + DEBOUNCE_NS;
    if (now_ns >= file_timer_ns(s)) {
        look(s);
        s->due_ns = DEADLINE_NEVER;
        s->refresh_ns = now_ns + s->conf.refresh;
    }
    enum status r = feed_emit(&s->feed, emit);
    return r == OK ? first_fault(s, err) : r;
}

static size_t file_refused(const void *self, struct buf *out)
{
    const struct files *s = self;
    return feed_refused(&s->feed, out);
}

static size_t file_candidates(const void *self, const struct source_candidates *to)
{
    const struct files *s = self;
    return feed_candidates(&s->feed, to);
}

const struct source_ops source_file = {
    .name = "file",
    .help = "targets from JSON or YAML files, as Prometheus' file_sd",
    .settings = settings,
    .conf_size = sizeof(struct file_conf),
    .check = file_check,
    .open = file_open,
    .fd = file_fd,
    .timer_ns = file_timer_ns,
    .ready = file_ready,
    .refused = file_refused,
    .candidates = file_candidates,
    .close = file_close,
};
