/* SPDX-License-Identifier: Apache-2.0 */
/* process.c - reads /proc. */
#include "process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

/* The first bytes of a file, or "". */
static void head_of(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(out, 1, size - 1, f) : 0;
    out[n] = '\0';
    if (f)
        fclose(f);
}

/* Seconds since 1970 at which the machine started. */
static uint64_t boot_seconds(void)
{
    char line[256];
    uint64_t seconds = 0;
    FILE *f = fopen("/proc/stat", "re");
    while (f && seconds == 0 && fgets(line, sizeof line, f))
        if (strncmp(line, "btime ", 6) == 0)
            seconds = strtoull(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return seconds;
}

static uint64_t count_fds(void)
{
    uint64_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n > 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}

/* Fields of /proc/self/stat as proc(5) numbers them. */
enum { STAT_USER = 14, STAT_KERNEL, STAT_THREADS = 20, STAT_START = 22, STAT_SIZE, STAT_PAGES };

static void read_stat(uint64_t fields[STAT_PAGES + 1])
{
    char text[1024];
    head_of("/proc/self/stat", text, sizeof text);
    const char *p = strrchr(text, ')'); /* the name before it may hold anything */
    for (size_t i = 3; p && i <= STAT_PAGES; i++) {
        p = strchr(p, ' ');
        if (p)
            fields[i] = strtoull(++p, NULL, 10);
    }
}

struct process process_now(void)
{
    struct process p = {0};
    uint64_t stat[STAT_PAGES + 1] = {0};
    double ticks = (double)sysconf(_SC_CLK_TCK);
    read_stat(stat);
    p.cpu_seconds = (double)(stat[STAT_USER] + stat[STAT_KERNEL]) / ticks;
    p.start_seconds = (double)boot_seconds() + (double)stat[STAT_START] / ticks;
    p.threads = stat[STAT_THREADS];
    p.virtual_bytes = stat[STAT_SIZE];
    p.resident_bytes = stat[STAT_PAGES] * (uint64_t)sysconf(_SC_PAGESIZE);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        p.max_fds = limit.rlim_cur;
    p.open_fds = count_fds();
    return p;
}
