/* SPDX-License-Identifier: Apache-2.0 */
/* nats_server.h - a real nats-server on a free port of 127.0.0.1, in a directory of its own.
 *
 * It dies with the test.  One at a time.  */
#ifndef NATS_SERVER_H
#define NATS_SERVER_H

#include "clock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct {
    pid_t pid;
    int port;
    char dir[40];
    char url[40];
    char more[4096]; /* of the configuration */
} server;

static void server_pause(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2 * MS_NS}, NULL);
}

static void server_signal(int sig)
{
    if (server.pid <= 0)
        return;
    if (kill(server.pid, sig) != 0 ||
        (sig == SIGSTOP && waitpid(server.pid, NULL, WUNTRACED) != server.pid))
        abort(); /* returns only when all of its threads stand still */
}

static void server_kill(void)
{
    if (server.pid <= 0)
        return;
    server_signal(SIGKILL);
    waitpid(server.pid, NULL, 0);
    server.pid = 0;
}

static int server_rm(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

__attribute__((destructor)) static void server_clean(void)
{
    server_kill();
    if (server.dir[0])
        nftw(server.dir, server_rm, 16, FTW_DEPTH | FTW_PHYS);
    server.dir[0] = '\0';
}

/* What the server has written about its ports, or 0. */
static int server_read_port(void)
{
    char path[128], text[512] = "";
    snprintf(path, sizeof path, "%s/nats-server_%d.ports", server.dir, (int)server.pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    const char *at = strstr(text, "127.0.0.1:");
    return at && strchr(text, '}') ? (int)strtol(at + 10, NULL, 10) : 0;
}

static bool server_answers(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)server.port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char info[5] = "";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = connect(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
              recv(fd, info, 4, MSG_WAITALL) == 4 && memcmp(info, "INFO", 4) == 0;
    close(fd);
    return ok;
}

/* Starts it on the port it had, with what it had stored. */
static void server_restart(void)
{
    char conf[128], log[128];
    server_kill();
    snprintf(conf, sizeof conf, "%s/conf", server.dir);
    snprintf(log, sizeof log, "%s/log", server.dir);
    FILE *f = fopen(conf, "w");
    if (!f)
        abort();
    fprintf(f, "listen: \"127.0.0.1:%d\"\nports_file_dir: \"%s\"\n%s\n",
            server.port ? server.port : -1, server.dir, server.more);
    fclose(f);
    server.pid = fork();
    if (server.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open(log, O_CREAT | O_WRONLY | O_APPEND, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execlp("nats-server", "nats-server", "-c", conf, (char *)NULL);
        _exit(127);
    }
    int64_t until_ns = clock_mono_ns() + 20 * SEC_NS;
    while (clock_mono_ns() < until_ns) {
        if (server.port == 0)
            server.port = server_read_port();
        if (server.port && server_answers())
            break;
        server_pause();
    }
    snprintf(server.url, sizeof server.url, "nats://127.0.0.1:%d", server.port);
}

/* A new one.  more: of its configuration; a %s in it is its directory. */
static void server_start(const char *more)
{
    server_clean();
    server.port = 0;
    snprintf(server.dir, sizeof server.dir, "/tmp/strata-nats-XXXXXX");
    if (!mkdtemp(server.dir))
        abort();
    size_t n = 0;
    for (const char *c = more; *c && n + 64 < sizeof server.more; c++) {
        if (c[0] == '%' && c[1] == 's') {
            n += (size_t)snprintf(server.more + n, sizeof server.more - n, "%s", server.dir);
            c++;
        } else {
            server.more[n++] = *c;
        }
    }
    server.more[n] = '\0';
    server_restart();
}

/* Ends the program as skipped where there is no nats-server, unless all is required. */
__attribute__((constructor)) static void server_require(void)
{
    const char *all = getenv("STRATA_REQUIRE");
    if (system("command -v nats-server >/dev/null") == 0 || (all && strcmp(all, "all") == 0))
        return;
    printf("1..0 # skip: nats-server is not installed\n");
    fflush(stdout);
    _exit(77);
}

#endif
