/* SPDX-License-Identifier: Apache-2.0 */
/* left_files.c - looks for spools that nobody empties. */
#include "left_files.h"

#include "log.h"
#include "mem.h"
#include "spool.h"

#include <dirent.h>
#include <sys/stat.h>

static bool is_spool_name(const char *name)
{
    size_t n = strlen(name);
    const char *dot = strchr(name, '.');
    return n > 3 && strcmp(name + n - 3, ".db") == 0 && dot && dot < name + n - 3;
}

static bool is_used(const struct config *c, const char *file)
{
    AUTO(buf) struct buf b = BUF_INIT(SPOOL_NAME_MAX);
    for (size_t i = 0; i < c->pools_len; i++)
        for (size_t k = 0; k < c->pools[i].outputs_len; k++) {
            const struct output_conf *o = &c->pools[i].outputs[k];
            buf_truncate(&b, 0);
            if (config_spool_file(&c->sinks[o->sink].spool, c->pools[i].conf.name, o->name, &b) ==
                    OK &&
                strcmp(b.data, file) == 0)
                return true;
        }
    return false;
}

static bool note_row(void *to, const struct spool_line *line)
{
    (void)line;
    *(bool *)to = true;
    return false;
}

static bool is_known(const struct left_files *f, const char *file)
{
    for (size_t i = 0; f && i < f->len; i++)
        if (strcmp(f->items[i].file, file) == 0)
            return true;
    return false;
}

/* One that cannot be read may have something in it. */
static void look_at(const struct config *c, const char *path, const char *name,
                    struct left_files *f)
{
    AUTO(buf) struct buf file = BUF_INIT(SPOOL_NAME_MAX);
    struct stat st;
    bool rows = false;
    if (f->len == LEFT_FILES_MAX || !is_spool_name(name) ||
        buf_cat(&file, path, "/", name, NULL) != OK || is_used(c, file.data) ||
        is_known(f, file.data) || stat(file.data, &st) != 0)
        return;
    enum status r = spool_list(file.data, 1, note_row, &rows, NULL);
    if (r == OK && !rows)
        return;
    f->items[f->len++] = (struct view_left){.file = mem_strdup(file.data), .bytes = st.st_size};
}

struct left_files *left_files_find(const struct config *c)
{
    struct left_files *f = mem_alloc(sizeof *f);
    for (size_t i = 0; i < c->sinks_len; i++) {
        const char *path = c->sinks[i].spool.path;
        DIR *dir = path[0] ? opendir(path) : NULL;
        for (struct dirent *e; dir && (e = readdir(dir)) != NULL;)
            look_at(c, path, e->d_name, f);
        if (dir)
            closedir(dir);
    }
    return f;
}

void left_files_free(struct left_files *f)
{
    for (size_t i = 0; f && i < f->len; i++)
        mem_free((char *)f->items[i].file);
    mem_free(f);
}

void left_files_say(const struct left_files *f, const struct left_files *before)
{
    for (size_t i = 0; i < f->len; i++)
        if (!is_known(before, f->items[i].file))
            log_warn(
                "a spool of no output has something in it: strata-agent queue flush delivers it",
                LOG_S("file", f->items[i].file), LOG_I("bytes", f->items[i].bytes));
}
