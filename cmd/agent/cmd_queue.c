/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_queue.c - strata-agent queue: what is in the files of spools, and emptying them. */
#include "cmd_queue.h"

#include "clock.h"
#include "cmd_config.h"
#include "commands.h"
#include "json_out.h"

#include <getopt.h>
#include <inttypes.h>
#include <unistd.h>

#define OUT_MAX ((size_t)256 << 20)

static int usage(int code)
{
    fputs("usage: strata-agent queue show [--json] [--rows N] FILE...\n"
          "       strata-agent queue flush -c CONFIG [--output POOL/OUTPUT] [--timeout SECONDS] "
          "FILE\n"
          "       strata-agent queue drop [--yes] FILE\n"
          "\n"
          "FILE is the queue on disk of an output: PATH/POOL.OUTPUT.db (sinks[].spool).\n"
          "\n"
          "show     how much is in it, also while an agent has it\n"
          "  --rows N         and the first N messages: id, due time, part, samples, bytes,\n"
          "                   target, address\n"
          "  --json           one JSON object a file\n"
          "flush    delivers what is in it, where the output of the configuration leads, until it\n"
          "         is empty; what has been delivered is deleted\n"
          "  -c, --config C   the configuration\n"
          "  --output P/O     which output; by default that of the file's name\n"
          "  --timeout N      give up after so many seconds; what is left stays in the file\n"
          "drop     deletes all that is in it\n"
          "  --yes            without asking\n"
          "\n"
          "flush and drop want a file that no agent has.\n"
          "\n"
          "Exit codes: 0 fine (flush: empty, nothing lost), 1 failed, 2 usage, 78 configuration.\n",
          code == EXIT_FINE ? stdout : stderr);
    return code;
}

bool cmd_queue_look(const char *file, bool free, struct spool_view *ret)
{
    struct err err = {.text = ""};
    if (spool_look(file, ret, &err) != OK) {
        fprintf(stderr, "strata-agent queue: %s\n", err.text);
        return false;
    }
    if (free && ret->locked) {
        fprintf(stderr, "strata-agent queue: process %d has %s\n", ret->holder, file);
        return false;
    }
    return true;
}

struct show {
    struct buf *out;
    struct json_out json;
    bool as_json, full;
};

static bool show_line(void *to, const struct spool_line *l)
{
    struct show *s = to;
    char due[CLOCK_TEXT + 1] = "";
    if (l->due_ms >= CLOCK_MIN_MS && l->due_ms <= CLOCK_MAX_MS)
        clock_format(due, l->due_ms);
    if (!s->as_json) {
        char target[512], address[512]; /* a terminal is no place for control characters */
        text_line(target, sizeof target, (struct span){l->target, strlen(l->target)});
        text_line(address, sizeof address, (struct span){l->address, strlen(l->address)});
        s->full = buf_printf(s->out,
                             "%s %s part %" PRId64 " samples %" PRId64 " bytes %" PRId64 " %s %s\n",
                             l->id, due, l->part, l->samples, l->bytes, target, address) != OK;
        return !s->full;
    }
    struct json_out *j = &s->json;
    json_out_open(j, NULL, '{');
    json_out_string(j, "id", l->id);
    json_out_string(j, "due", due);
    json_out_int(j, "part", l->part);
    json_out_int(j, "samples", l->samples);
    json_out_int(j, "bytes", l->bytes);
    json_out_int(j, "stored_bytes", l->stored);
    json_out_string(j, "target", l->target);
    json_out_string(j, "address", l->address);
    json_out_close(j, '}');
    return j->status == OK;
}

static void show_json(struct show *s, const char *file, const struct spool_view *v)
{
    struct json_out *j = &s->json;
    json_out_open(j, NULL, '{');
    json_out_string(j, "file", file);
    json_out_bool(j, "in_use", v->locked);
    json_out_int(j, "process", v->holder);
    json_out_int(j, "payloads", v->stats.rows);
    json_out_int(j, "samples", v->stats.samples);
    json_out_int(j, "bytes", v->stats.bytes);
    json_out_int(j, "stored_bytes", v->stats.stored);
    json_out_int(j, "file_bytes", v->stats.file_bytes);
    json_out_time(j, "oldest", v->stats.oldest_ms);
    json_out_time(j, "newest", v->stats.newest_ms);
}

static enum status show_text(struct show *s, const char *file, const struct spool_view *v)
{
    const struct spool_stats *t = &v->stats;
    char oldest[CLOCK_TEXT + 1], newest[CLOCK_TEXT + 1];
    enum status r = buf_printf(s->out,
                               "%s: %" PRId64 " payloads, %" PRId64 " samples, %" PRId64
                               " bytes, %" PRId64 " on disk, in a file of %" PRId64 "\n",
                               file, t->rows, t->samples, t->bytes, t->stored, t->file_bytes);
    if (r == OK && t->rows > 0 && t->oldest_ms >= CLOCK_MIN_MS && t->newest_ms <= CLOCK_MAX_MS) {
        clock_format(oldest, t->oldest_ms);
        clock_format(newest, t->newest_ms);
        r = buf_printf(s->out, "  due from %s to %s\n", oldest, newest);
    }
    if (r == OK && v->locked)
        r = buf_printf(s->out, "  process %d has it\n", v->holder);
    return r;
}

static bool show_file(struct show *s, const char *file, int64_t rows)
{
    struct spool_view v;
    struct err err = {.text = ""};
    if (!cmd_queue_look(file, false, &v))
        return false;
    s->json = JSON_OUT(s->out);
    s->full = false;
    if (!s->as_json)
        s->full = show_text(s, file, &v) != OK;
    else
        show_json(s, file, &v);
    if (s->as_json && rows > 0)
        json_out_open(&s->json, "rows", '[');
    enum status r = rows > 0 ? spool_list(file, rows, show_line, s, &err) : OK;
    if (r != OK)
        fprintf(stderr, "strata-agent queue: %s\n", err.text);
    if (s->as_json) {
        if (rows > 0)
            json_out_close(&s->json, ']');
        json_out_close(&s->json, '}');
        s->full = s->json.status != OK || buf_puts(s->out, "\n") != OK;
    }
    if (s->full)
        fprintf(stderr, "strata-agent queue: too many rows\n");
    return r == OK && !s->full;
}

static int show(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"rows", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    AUTO(buf) struct buf out = BUF_INIT(OUT_MAX);
    struct show s = {.out = &out};
    int64_t rows = 0;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        char *end = NULL;
        if (option == 'j')
            s.as_json = true;
        else if (option == 'r')
            rows = strtoll(optarg, &end, 10);
        if (option == '?' || (end && (*end || end == optarg || rows < 1)))
            return EXIT_USAGE;
    }
    if (optind >= argc)
        return EXIT_USAGE;
    bool good = true;
    for (int i = optind; i < argc; i++) {
        good = show_file(&s, argv[i], rows) && good;
        good = cmd_print(&out) && good;
        buf_truncate(&out, 0);
    }
    return good ? EXIT_FINE : EXIT_FAILED;
}

static bool is_confirmed(const char *file, const struct spool_view *v)
{
    char answer[16] = "";
    if (!isatty(STDIN_FILENO)) {
        fputs("strata-agent queue: drop asks, and nobody is there to answer: --yes\n", stderr);
        return false;
    }
    printf("Delete %" PRId64 " payloads with %" PRId64 " samples from %s? [y/N] ", v->stats.rows,
           v->stats.samples, file);
    fflush(stdout);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int drop(int argc, char **argv)
{
    static const struct option options[] = {{"yes", no_argument, NULL, 'y'}, {NULL, 0, NULL, 0}};
    struct spool_view v;
    struct spool *spool;
    struct err err = {.text = ""};
    int64_t samples = 0;
    bool yes = false;
    for (int option; (option = getopt_long(argc, argv, "y", options, NULL)) != -1;) {
        if (option != 'y')
            return EXIT_USAGE;
        yes = true;
    }
    if (optind != argc - 1)
        return EXIT_USAGE;
    if (!cmd_queue_look(argv[optind], true, &v) || (!yes && !is_confirmed(argv[optind], &v)))
        return EXIT_FAILED;
    struct spool_conf conf = {.file = argv[optind], .size = QUEUE_SIZE};
    enum status r = spool_open(&spool, &conf, &err);
    if (r == OK) {
        r = spool_drop_all(spool, &samples, &err);
        spool_close(spool);
    }
    if (r != OK) {
        fprintf(stderr, "strata-agent queue: %s\n", err.text);
        return EXIT_FAILED;
    }
    printf("%s: %" PRId64 " samples deleted\n", argv[optind], samples);
    return EXIT_FINE;
}

int cmd_queue(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } verbs[] = {{"show", show}, {"flush", cmd_queue_flush}, {"drop", drop}};
    if (argc >= 2 && cmd_is_help(argv[1]))
        return usage(EXIT_FINE);
    for (size_t i = 0; argc >= 2 && i < ARRAY_LEN(verbs); i++) {
        if (strcmp(argv[1], verbs[i].name) != 0)
            continue;
        if (argc == 3 && cmd_is_help(argv[2]))
            return usage(EXIT_FINE);
        int code = verbs[i].run(argc - 1, argv + 1);
        return code == EXIT_USAGE ? usage(code) : code;
    }
    return usage(EXIT_USAGE);
}
