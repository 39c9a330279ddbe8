/* SPDX-License-Identifier: Apache-2.0 */
#include "confine.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* TSan and ASan of gcc; a fuzz target has no agent in it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

static _Atomic bool on;

/* What an agent calls, and what the C library may choose in its place on another day: a name
 * that this machine does not have is passed over. */
static const char *const allowed[] = {
    /* files */
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "preadv",
    "pwritev",
    "preadv2",
    "pwritev2",
    "open",
    "openat",
    "close",
    "close_range",
    "lseek",
    "_llseek",
    "stat",
    "fstat",
    "lstat",
    "newfstatat",
    "fstatat64",
    "statx",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents",
    "getdents64",
    "getcwd",
    "fcntl",
    "fcntl64",
    "dup",
    "dup2",
    "dup3",
    "pipe",
    "pipe2",
    "flock",
    "fsync",
    "fdatasync",
    "ftruncate",
    "ftruncate64",
    "fallocate",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchown",
    "umask",
    "utimensat",
    "fadvise64",
    "sync_file_range",
    "statfs",
    "fstatfs",
    "sendfile",
    /* memory */
    "mmap",
    "mmap2",
    "munmap",
    "mprotect",
    "mremap",
    "madvise",
    "brk",
    "mincore",
    "msync",
    "membarrier",
    "mlock",
    "mlock2",
    "munlock",
    /* waiting */
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd",
    "eventfd2",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    "signalfd",
    "signalfd4",
    "inotify_init",
    "inotify_init1",
    "inotify_add_watch",
    "inotify_rm_watch",
    /* sockets, but socket itself */
    "bind",
    "connect",
    "listen",
    "accept",
    "accept4",
    "getsockname",
    "getpeername",
    "setsockopt",
    "getsockopt",
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "sendmmsg",
    "recvmmsg",
    "shutdown",
    "socketpair",
    "send",
    "recv",
    /* threads and signals */
    "futex",
    "futex_waitv",
    "futex_time64",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "set_tid_address",
    "sched_yield",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "gettid",
    "getpid",
    "getppid",
    "tgkill",
    "exit",
    "exit_group",
    "arch_prctl",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "rt_sigpending",
    "rt_sigsuspend",
    "sigaltstack",
    "restart_syscall",
    "pause",
    /* time */
    "clock_gettime",
    "clock_gettime64",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "times",
    /* about itself */
    "uname",
    "sysinfo",
    "getrusage",
    "getrlimit",
    "prlimit64",
    "getrandom",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getgroups",
    "getresuid",
    "getresgid",
    "getpriority",
    "getcpu",
    "getpgrp",
    "prctl",
};

static const char *const forbidden[] = {
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "pidfd_getfd",
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "chroot",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "setns",
    "unshare",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "reboot",
    "swapon",
    "swapoff",
    "sethostname",
    "setdomainname",
    "keyctl",
    "add_key",
    "request_key",
    "quotactl",
    "acct",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "clock_adjtime",
    "stime",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "iopl",
    "ioperm",
    "open_by_handle_at",
    "syslog",
    "mknod",
    "mknodat",
    "vhangup",
    "nfsservctl",
    "lookup_dcookie",
};

/* Adds a rule for each name that there is. */
static int add_all(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        int call = seccomp_syscall_resolve_name(names[i]);
        int e = call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, action, call, 0);
        if (e != 0 && e != -EDOM) /* EDOM: not of this architecture */
            return e;
    }
    return 0;
}

/* One more way in which a call is allowed: its argument arg, masked, is value. */
static int allow_if(scmp_filter_ctx filter, int call, unsigned arg, uint64_t mask, uint64_t value)
{
    struct scmp_arg_cmp cmp = {arg, SCMP_CMP_MASKED_EQ, mask, value};
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &cmp);
}

static int allow_some(scmp_filter_ctx filter)
{
    static const uint64_t families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    static const uint64_t requests[] = {FIONBIO, FIONREAD, TCGETS};
    int e = allow_if(filter, SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD);
    /* Its flags lie in memory, where a filter does not look; the C library then takes clone. */
    if (e == 0)
        e = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    for (size_t i = 0; i < ARRAY_LEN(families) && e == 0; i++)
        e = allow_if(filter, SCMP_SYS(socket), 0, UINT32_MAX, families[i]);
    for (size_t i = 0; i < ARRAY_LEN(requests) && e == 0; i++)
        e = allow_if(filter, SCMP_SYS(ioctl), 1, UINT32_MAX, requests[i]);
    return e;
}

/* Where programs may be started: a new one gets no user namespace, in which it would be root. */
static int refuse_namespaces(scmp_filter_ctx filter)
{
    struct scmp_arg_cmp user = {0, SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER};
    int e = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, &user);
    if (e == 0)
        e = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return e;
}

static int load(bool may_exec)
{
    uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    scmp_filter_ctx filter = seccomp_init(may_exec ? SCMP_ACT_ALLOW : refuse);
    if (!filter)
        return -ENOMEM;
    int e = may_exec ? add_all(filter, refuse, forbidden, ARRAY_LEN(forbidden))
                     : add_all(filter, SCMP_ACT_ALLOW, allowed, ARRAY_LEN(allowed));
    if (e == 0)
        e = may_exec ? refuse_namespaces(filter) : allow_some(filter);
    if (e == 0)
        e = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (e == 0)
        e = seccomp_load(filter);
    seccomp_release(filter);
    return e;
}

enum status confine_start(bool may_exec, struct err *err)
{
    if (SANITIZED)
        return err_set(err, ERR_INVALID, "a build with a sanitizer is not confined");
    int e = load(may_exec);
    if (e != 0)
        return err_set(err, ERR_IO, "no seccomp filter: %s", strerror(-e));
    on = true;
    return OK;
}

bool confine_is_on(void)
{
    return on;
}

void confine_memory(void)
{
    struct rlimit none = {0, 0};
    if (SANITIZED)
        return;
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
