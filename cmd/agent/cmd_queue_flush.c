/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_queue_flush.c - queue flush: a lane that only delivers what its spool has. */
#include "clock.h"
#include "cmd_config.h"
#include "cmd_queue.h"
#include "commands.h"
#include "curl_loop.h"
#include "lane_conf_of.h"
#include "log.h"

#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <signal.h>
#include <time.h>

#define LOOK_MS  20
#define CLOSE_NS (10 * SEC_NS) /* for the sink to end */
#define GIVE_NS  SEC_NS        /* where it has not delivered in time */

static volatile sig_atomic_t stopped;

static void note_signal(int number)
{
    (void)number;
    stopped = 1;
}

static void catch_signals(void)
{
    struct sigaction stop = {.sa_handler = note_signal};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

struct flush {
    const char *config_path, *output, *file;
    int64_t timeout_s; /* 0: none */
    struct lane_books books;
};

static int read_options(int argc, char **argv, struct flush *f)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"timeout", required_argument, NULL, 't'},
                                            {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "c:", options, NULL)) != -1;) {
        char *end = NULL;
        if (option == 'c')
            f->config_path = optarg;
        else if (option == 'o')
            f->output = optarg;
        else if (option == 't')
            f->timeout_s = strtoll(optarg, &end, 10);
        if (option == '?' || (end && (*end || end == optarg || f->timeout_s < 1)))
            return EXIT_USAGE;
    }
    if (optind != argc - 1 || !f->config_path)
        return EXIT_USAGE;
    f->file = argv[optind];
    return EXIT_FINE;
}

/* POOL/OUTPUT of PATH/POOL.OUTPUT.db; "": it has another form. */
static void name_of_file(const char *file, char out[256])
{
    char copy[SPOOL_NAME_MAX];
    snprintf(copy, sizeof copy, "%s", file);
    snprintf(out, 256, "%.250s", basename(copy));
    char *dot = strchr(out, '.'), *end = dot ? strchr(dot + 1, '.') : NULL;
    if (!end) {
        out[0] = '\0';
        return;
    }
    *dot = '/';
    *end = '\0';
}

static const struct output_conf *find_output(const struct config *c, const char *name,
                                             const char **ret_pool)
{
    AUTO(buf) struct buf b = BUF_INIT(256);
    for (size_t i = 0; i < c->pools_len; i++) {
        const struct pool_entry *p = &c->pools[i];
        for (size_t k = 0; k < p->outputs_len; k++) {
            buf_truncate(&b, 0);
            if (buf_cat(&b, p->conf.name, "/", p->outputs[k].name, NULL) == OK &&
                strcmp(b.data, name) == 0) {
                *ret_pool = p->conf.name;
                return &p->outputs[k];
            }
        }
    }
    return NULL;
}

/* Until the file is empty (true), it cannot be used, the time is up, or a signal comes. */
static bool wait_for_end(struct flush *f, struct lane *l)
{
    int64_t until = f->timeout_s > 0 ? clock_mono_ns() + f->timeout_s * SEC_NS : DEADLINE_NEVER;
    while (!stopped && clock_mono_ns() < until) {
        struct lane_spool_state s = lane_state(l).spool;
        bool used = s.works || f->books.restored > 0;
        if (!used && s.error.status != OK) {
            fprintf(stderr, "strata-agent queue: %s\n", s.error.text);
            return false;
        }
        if (s.works && f->books.in_spool + f->books.in_memory == 0)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * MS_NS}, NULL);
    }
    return false;
}

static int report(struct flush *f)
{
    struct spool_view v;
    struct err err = {.text = ""};
    uint64_t lost = 0;
    for (unsigned i = 0; i < LANE_LOSSES; i++)
        lost += f->books.lost[i];
    if (spool_look(f->file, &v, &err) != OK) {
        fprintf(stderr, "strata-agent queue: %s\n", err.text);
        return EXIT_FAILED;
    }
    printf("%s: %" PRIu64 " samples delivered in %" PRIu64 " messages, %" PRIu64 " lost, %" PRId64
           " left\n",
           f->file, (uint64_t)f->books.delivered, (uint64_t)f->books.payloads_delivered, lost,
           v.stats.samples);
    return v.stats.rows == 0 && lost == 0 ? EXIT_FINE : EXIT_FAILED;
}

static int run(struct flush *f, struct lane_conf *conf)
{
    struct lane *l;
    struct err err = {.text = ""};
    conf->spool = (struct lane_spool_conf){.file = f->file, .size = QUEUE_SIZE};
    enum status s = net_init(&err);
    if (s == OK)
        s = lane_new(&l, conf, &f->books, &err);
    if (s != OK) {
        fprintf(stderr, "strata-agent queue: %s\n", err.text);
        return s == ERR_INVALID ? EXIT_CONFIG : EXIT_FAILED;
    }
    bool ended = wait_for_end(f, l);
    lane_close(l, clock_mono_ns() + (ended ? CLOSE_NS : GIVE_NS));
    lane_free(l);
    return report(f);
}

int cmd_queue_flush(int argc, char **argv)
{
    static struct flush f;
    char name[256];
    struct spool_view v;
    const char *pool;
    struct lane_conf conf;
    struct err err = {.text = ""};
    AUTO(buf) struct buf unused = BUF_INIT(SPOOL_NAME_MAX);
    int code = read_options(argc, argv, &f);
    if (code != EXIT_FINE)
        return code;
    AUTO_PTR(config) struct config *c = cmd_config_load(f.config_path);
    if (!c)
        return EXIT_CONFIG;
    log_configure(LOG_WARN, c->agent.log.format);
    name_of_file(f.file, name);
    const char *output = f.output ? f.output : name;
    const struct output_conf *o = find_output(c, output, &pool);
    if (!o) {
        fprintf(stderr,
                "strata-agent queue: %s has no output '%s'; --output POOL/OUTPUT says "
                "where it is to go\n",
                f.config_path, output);
        return EXIT_FAILED;
    }
    if (!cmd_queue_look(f.file, true, &v))
        return EXIT_FAILED;
    if (lane_conf_of(c, pool, o, &unused, &conf, &err) != OK) {
        fprintf(stderr, "strata-agent queue: %s\n", err.text);
        return EXIT_CONFIG;
    }
    catch_signals();
    return run(&f, &conf);
}
