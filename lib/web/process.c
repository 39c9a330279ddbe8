/* SPDX-License-Identifier: Apache-2.0 */
/* process.c - reads /proc. */
#include "process.h"

#include <dirent.h>
#include <inttypes.h>
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
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "btime %" SCNu64, &seconds) == 1)
            break;
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

struct process process_now(void)
{
    struct process p = {0};
    char text[1024];
    head_of("/proc/self/stat", text, sizeof text);
    const char *rest = strrchr(text, ')'); /* the name before it may hold anything */
    uint64_t user, kernel, start, threads, size, pages;
    double ticks = (double)sysconf(_SC_CLK_TCK);
    if (rest && sscanf(rest,
                       ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64 " %" SCNu64
                       " %*s %*s %*s %*s %" SCNu64 " %*s %" SCNu64 " %" SCNu64 " %" SCNu64,
                       &user, &kernel, &threads, &start, &size, &pages) == 6) {
        p.cpu_seconds = (double)(user + kernel) / ticks;
        p.start_seconds = (double)boot_seconds() + (double)start / ticks;
        p.threads = threads;
        p.virtual_bytes = size;
        p.resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        p.max_fds = limit.rlim_cur;
    p.open_fds = count_fds();
    return p;
}
