/* SPDX-License-Identifier: Apache-2.0 */
#include "confine.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A build with a sanitizer is not confined, and has to say so. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { FINE = 77 };
#else
enum { FINE = 0 };
#endif

/* What run returns in a process of its own, FINE when all is well. */
static int in_a_child(bool may_exec, int (*run)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        struct err err;
        if (confine_start(may_exec, &err) != OK)
            _exit(err.status == ERR_INVALID ? 77 : 78);
        _exit(confine_is_on() ? run() : 79);
    }
    int how = 0;
    CHECK(pid > 0 && waitpid(pid, &how, 0) == pid);
    CHECK(WIFEXITED(how));
    return WEXITSTATUS(how);
}

/* Whether a call was refused as the filter refuses: a call that the user has no right to says
 * EPERM as well, so that those used here are such as anybody may make. */
static bool is_refused(long result)
{
    return result == -1 && errno == EPERM;
}

static int start_a_program(void)
{
    char *argv[] = {(char[]){"true"}, NULL};
    pid_t pid;
    if (is_refused(execve("/bin/true", argv, environ)) &&
        posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == EPERM)
        return 0;
    return 1;
}

static int make_a_process(void)
{
    return is_refused(fork()) ? 0 : 1;
}

static int trace_itself(void)
{
    return is_refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL)) ? 0 : 1;
}

static int make_a_namespace(void)
{
    return is_refused(unshare(CLONE_FILES)) ? 0 : 1;
}

static int open_odd_sockets(void)
{
    static const int families[] = {AF_ALG, AF_VSOCK, AF_BLUETOOTH};
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (!is_refused(socket(families[i], SOCK_STREAM, 0)))
            return 1;
    return 0;
}

static void *do_nothing(void *arg)
{
    return arg;
}

static int live_on(void)
{
    pthread_t thread;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    FILE *self = fopen("/proc/self/status", "r");
    if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) != 0 || listen(fd, 1) != 0)
        return 1;
    if (!self || pthread_create(&thread, NULL, do_nothing, NULL) != 0)
        return 2;
    pthread_join(thread, NULL);
    fclose(self);
    return close(fd) == 0 ? 0 : 3;
}

static int run_a_program(void)
{
    char *argv[] = {(char[]){"true"}, NULL};
    pid_t pid;
    int how = 0;
    if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) != 0 ||
        waitpid(pid, &how, 0) != pid)
        return 1;
    return how == 0 ? 0 : 2;
}

TEST(a_confined_process_starts_no_program_and_makes_no_process)
{
    CHECK_INT(in_a_child(false, start_a_program), FINE);
    CHECK_INT(in_a_child(false, make_a_process), FINE);
}

TEST(a_confined_process_does_not_trace_nor_make_namespaces)
{
    CHECK_INT(in_a_child(false, trace_itself), FINE);
    CHECK_INT(in_a_child(false, make_a_namespace), FINE);
}

TEST(a_confined_process_opens_sockets_of_few_families)
{
    CHECK_INT(in_a_child(false, open_odd_sockets), FINE);
}

TEST(a_confined_process_still_serves_reads_files_and_starts_threads)
{
    CHECK_INT(in_a_child(false, live_on), FINE);
}

TEST(where_a_credential_plugin_is_in_use_programs_run_but_do_not_trace)
{
    CHECK_INT(in_a_child(true, run_a_program), FINE);
    CHECK_INT(in_a_child(true, trace_itself), FINE);
    CHECK_INT(in_a_child(true, make_a_namespace), FINE);
}

static int hide_memory(void)
{
    struct rlimit core;
    confine_memory();
    return prctl(PR_GET_DUMPABLE) == 0 && getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0
               ? 0
               : 1;
}

TEST(its_memory_goes_into_no_core_file)
{
    CHECK_INT(in_a_child(false, hide_memory), FINE);
}
