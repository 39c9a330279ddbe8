/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_run.c - strata-agent run: starts the agent and waits for signals and for a changed file.  */
#include "agent.h"
#include "budget.h"
#include "clock.h"
#include "commands.h"
#include "confine.h"
#include "library.h"
#include "log.h"
#include "mem.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define EASY_NS         (5 * SEC_NS)  /* from one look at free memory to the next: little is used */
#define TRIM_NS         SEC_NS        /* more than half of agent.memory is used */
#define TIGHT_NS        (100 * MS_NS) /* it is nearly used up */
#define ALLOWANCE_BYTES ((size_t)18 << 20) /* code, stacks, connections; 24 MiB are promised */
#define SETTLE_NS       (200 * MS_NS) /* a file is looked at once its folder has been quiet so long */
#define REST_NS         (10 * SEC_NS) /* for first connections to be made */
enum { PAUSE_MS = 10 };

struct loop {
    int signal_fd;
    int watch_fd;    /* -1: no watch */
    int64_t look_ns; /* when to look at the file; 0: not */
    int64_t trim_ns; /* when what is free goes back to the system */
    int64_t rest_ns; /* when to let libraries rest; 0: not */
    bool reload;     /* as soon as the agent is not crowded */
};

/* All threads inherit the mask, so that signals come by the descriptor only. */
static int catch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader that goes is an error of a write */
    signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow */
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The folder, not the file: a ConfigMap is exchanged by renaming a link beside it. */
static int watch_folder(const char *path)
{
    char copy[4096];
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if ((size_t)snprintf(copy, sizeof copy, "%s", path) >= sizeof copy)
        return fd;
    if (fd >= 0 &&
        inotify_add_watch(fd, dirname(copy),
                          IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM) < 0)
        log_warn("the configuration is not watched, send SIGHUP after a change",
                 LOG_S("why", strerror(errno)));
    return fd;
}

/* The number of a signal that has come, or 0. */
static uint32_t next_signal(const struct loop *l)
{
    struct signalfd_siginfo info;
    return read(l->signal_fd, &info, sizeof info) == (ssize_t)sizeof info ? info.ssi_signo : 0;
}

static void drain(int fd)
{
    char events[4096];
    while (read(fd, events, sizeof events) > 0)
        ;
}

static int64_t trim_ns(void)
{
    if (budget_has_room(BUDGET_TEXTS, 0))
        return EASY_NS;
    return budget_has_room(BUDGET_SERIES, 0) ? TRIM_NS : TIGHT_NS;
}

/* What is free goes back to the system; what cannot, because something is left on each of its pages, counts. */
static void trim(struct loop *l)
{
    if (clock_mono_ns() < l->trim_ns)
        return;
    mem_trim();
    budget_set(BUDGET_SPOOLS, spool_memory());
    size_t before = budget_part_bytes(BUDGET_ALLOCATOR), resident = mem_resident();
    size_t known = budget_used() - before + ALLOWANCE_BYTES, most = budget_bound() / 8;
    size_t more = resident > known ? resident - known : 0;
    budget_set(BUDGET_ALLOCATOR, more < most ? more : most);
    l->trim_ns = clock_mono_ns() + trim_ns();
}

static int wait_ms(const struct agent *a, const struct loop *l)
{
    int64_t wait_ns = agent_is_changing(a) ? AGENT_TICK_NS : trim_ns();
    int64_t now_ns = clock_mono_ns();
    if (l->look_ns != 0 && l->look_ns - now_ns < wait_ns)
        wait_ns = l->look_ns - now_ns;
    if (l->rest_ns != 0 && l->rest_ns - now_ns < wait_ns)
        wait_ns = l->rest_ns - now_ns;
    return wait_ns <= 0 ? 0 : (int)((wait_ns + MS_NS - 1) / MS_NS);
}

/* What a start or a reload has touched, at once; and later what came after it. */
static void rest(struct loop *l, bool again)
{
    library_rest();
    l->rest_ns = again ? clock_mono_ns() + REST_NS : 0;
}

/* Returns when the agent is to stop. */
static void loop_run(struct agent *a, struct loop *l)
{
    struct pollfd fds[] = {{.fd = l->signal_fd, .events = POLLIN},
                           {.fd = l->watch_fd, .events = POLLIN}};
    for (;;) {
        poll(fds, ARRAY_LEN(fds), wait_ms(a, l));
        uint32_t signal = next_signal(l);
        if (signal == SIGTERM || signal == SIGINT)
            return;
        if (fds[1].revents) {
            drain(l->watch_fd);
            l->look_ns = clock_mono_ns() + SETTLE_NS;
        }
        bool look = l->look_ns != 0 && clock_mono_ns() >= l->look_ns;
        if (look)
            l->look_ns = 0;
        l->reload |= signal == SIGHUP || (look && agent_file_changed(a));
        if (l->reload && !agent_is_crowded(a)) {
            l->reload = false;
            agent_reload(a);
            rest(l, true);
        }
        if (l->rest_ns != 0 && clock_mono_ns() >= l->rest_ns)
            rest(l, false);
        agent_tick(a);
        trim(l);
    }
}

static bool pause_stop(void *of)
{
    struct loop *l = of;
    struct pollfd fd = {.fd = l->signal_fd, .events = POLLIN};
    poll(&fd, 1, PAUSE_MS);
    uint32_t signal = next_signal(l);
    return signal == SIGTERM || signal == SIGINT;
}

static void print_account(const struct agent_account *t)
{
    log_info("stopped", LOG_I("scrapes", t->scrapes), LOG_I("failed_scrapes", t->failures),
             LOG_I("scraped", t->samples), LOG_I("filtered", t->filtered),
             LOG_I("refused", t->refused), LOG_I("delivered", t->delivered),
             LOG_I("skipped", t->skipped), LOG_I("lost", t->lost), LOG_I("on_disk", t->left),
             LOG_I("unaccounted",
                   llabs(t->jobs_balance) + llabs(t->samples_balance) + llabs(t->records_balance)));
    if (!log_format_is(LOG_LOGFMT))
        return; /* who reads JSON wants nothing but JSON */
    fprintf(stderr,
            "scraped %" PRIu64 " samples in %" PRIu64 " scrapes (%" PRIu64
            " failed), delivered %" PRIu64 " records, lost %" PRIu64 "\n",
            t->samples, t->scrapes, t->failures, t->delivered, t->lost);
}

static int start(struct agent **ret, const struct agent_options *options)
{
    struct faults faults = {0};
    struct err err = {.status = OK};
    enum status s = agent_new(ret, options, &faults, &err);
    if (faults.len > 0) {
        AUTO(buf) struct buf text = BUF_INIT(1 << 20);
        faults_print(&faults, options->path, &text);
        fputs(text.data, stderr);
    } else if (s != OK) {
        log_error("cannot start", LOG_S("why", err.text));
    }
    faults_done(&faults);
    return s == OK ? EXIT_FINE : s == ERR_INVALID ? EXIT_CONFIG : EXIT_FAILED;
}

/* Refused calls would only show when they are made: what is not confined is said. */
static void confine(struct agent *a)
{
    struct err err;
    const struct agent_conf *c = agent_conf(a);
    if (!c->core_dumps)
        confine_memory();
    if (c->sandbox && confine_start(agent_starts_programs(a), &err) != OK)
        log_warn("not confined", LOG_S("why", err.text));
}

static int usage(int code)
{
    fputs("usage: strata-agent run -c FILE [--listen ADDRESS] [--log-level LEVEL]\n"
          "\n"
          "  -c, --config FILE    the configuration (deploy/example.yaml shows all of it)\n"
          "  --listen ADDRESS     own HTTP, in place of agent.listen; \"\" for none\n"
          "  --log-level LEVEL    error, warn, info or debug, in place of agent.log.level\n"
          "\n"
          "SIGHUP, or a change of the file, loads it anew; SIGTERM and SIGINT drain and stop,\n"
          "a second one stops at once.\n"
          "\n"
          "Exit codes: 0 stopped, 1 could not start, 2 usage, 78 the configuration has faults.\n",
          code == EXIT_FINE ? stdout : stderr);
    return code;
}

int cmd_run(int argc, char **argv)
{
    static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
                                                 {"listen", required_argument, NULL, 'l'},
                                                 {"log-level", required_argument, NULL, 'L'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    struct agent_options options = {.path = NULL};
    int o;
    while ((o = getopt_long(argc, argv, "c:h", long_options, NULL)) >= 0) {
        switch (o) {
        case 'c': options.path = optarg; break;
        case 'l': options.listen = optarg; break;
        case 'L': options.log_level = optarg; break;
        case 'h': return usage(EXIT_FINE);
        default: return usage(EXIT_USAGE);
        }
    }
    if (!options.path || optind < argc)
        return usage(EXIT_USAGE);
    mem_tune();
    struct loop l = {.signal_fd = catch_signals(), .watch_fd = watch_folder(options.path)};
    struct agent *a;
    int code = start(&a, &options);
    if (code != EXIT_FINE)
        return code;
    confine(a);
    log_info("started", LOG_S("version", STRATA_VERSION), LOG_S("config", options.path));
    if (agent_url(a)[0])
        log_info("listening", LOG_S("url", agent_url(a)));
    rest(&l, true);
    loop_run(a, &l);
    log_info("stopping");
    bool closed = agent_stop(a, pause_stop, &l);
    struct agent_account t = agent_account(a);
    print_account(&t);
    if (!closed)
        _exit(EXIT_FAILED); /* some thread still hangs in a call */
    agent_free(a);
    return EXIT_FINE;
}
