/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_check_page.c - check-page: is a page good, and if not, all that is wrong with it.
 *
 * The page runs through one buffer, however long it is.  Which format it has is guessed from as
 * much of it as fits there.  */
#include "cmd_config.h"
#include "commands.h"
#include "mem.h"
#include "page_json.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

enum {
    LINE_BYTES = 1 << 20,
    ROOM_BYTES = LINE_BYTES + 2,
    OUT_BYTES = 64 << 20, /* one line as JSON, at most */
    FLUSH_BYTES = 1 << 16,
    TOLD_FAULTS = 1000,
    FAMILIES = 1 << 18,
    FAMILY_SERIES = 1 << 20,
};

struct run {
    const char *path; /* NULL: standard input */
    int fd;
    bool several; /* pages are read */
    enum { GUESS, GIVEN } format_from;
    enum page_format format;
    bool strict, json;
    struct check *check;
    char *room; /* ROOM_BYTES, of which from..to is read and not used */
    size_t from, to;
    bool ended; /* the input is at its end */
    struct buf out;
    bool unwritten; /* standard output takes no more */
    bool stopped;   /* strict, and there was a fault */
    bool last_eof;  /* the last line is "# EOF" */
    size_t lines, families, samples, faults;
};

static int usage(int code)
{
    fputs(
        "usage: strata-agent check-page [--format FORMAT] [--mode MODE] [--json] [FILE]...\n"
        "\n"
        "Reads a page of metrics, from standard input without a FILE, and prints each fault as\n"
        "LINE:COLUMN: TOKEN: what is wrong, and in brackets the rule of the format; of several\n"
        "FILEs with their names in front.\n"
        "\n"
        "  --format FORMAT      text (Prometheus 0.0.4 and 1.0.0), openmetrics (1.0),\n"
        "                       openmetrics2 (2.0), or auto, the default: by what the page says\n"
        "  --mode MODE          strict: stop at the first fault; salvage, the default: name all,\n"
        "                       the first 1,000 in words\n"
        "  --json               print what was understood, an object a line\n"
        "\n"
        "Exit codes: 0 a good page, 1 a bad one or it could not be read, 2 usage.\n",
        code == EXIT_FINE ? stdout : stderr);
    return code;
}

/* Output. */

static void flush(struct run *r, size_t above)
{
    if (r->out.len < above)
        return;
    r->unwritten |= fwrite(r->out.data, 1, r->out.len, stdout) < r->out.len;
    buf_truncate(&r->out, 0);
}

/* A line was added to the output, or not. */
static void added(struct run *r, enum status s)
{
    r->unwritten |= s != OK;
    flush(r, FLUSH_BYTES);
}

static enum status print_fault(struct run *r, const struct check_fault *f)
{
    char token[100];
    text_line(token, sizeof token, f->token);
    return buf_printf(&r->out, "%s%s%zu:%zu: %s: %s (%s)\n", r->several ? r->path : "",
                      r->several ? ":" : "", f->line, f->column, token, f->what, f->rule);
}

static void take_fault(void *of, const struct check_fault *f)
{
    struct run *r = of;
    if (r->stopped)
        return;
    r->stopped = r->strict;
    if (r->faults++ < TOLD_FAULTS)
        added(r, r->json ? page_json_fault(&r->out, f) : print_fault(r, f));
}

static void take_family(void *of, const struct check_family *f)
{
    struct run *r = of;
    r->families++;
    if (r->json && !r->stopped)
        added(r, page_json_family(&r->out, f));
}

static void take_line(void *of, size_t number, const struct promtext_line *l)
{
    struct run *r = of;
    if (l->item != PROMTEXT_SAMPLE)
        return;
    r->samples++;
    if (r->json && !r->stopped)
        added(r, page_json_sample(&r->out, number, l));
}

/* Input. */

/* Reads until the buffer is full or the input at its end. */
static bool fill(struct run *r)
{
    memmove(r->room, r->room + r->from, r->to - r->from);
    r->to -= r->from;
    r->from = 0;
    while (!r->ended && r->to < ROOM_BYTES) {
        ssize_t n = read(r->fd, r->room + r->to, ROOM_BYTES - r->to);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            fprintf(stderr, "%s: %s\n", r->path ? r->path : "standard input", strerror(errno));
            return false;
        }
        r->ended = n == 0;
        r->to += (size_t)n;
    }
    return true;
}

/* The line to come, with its newline, of one that is too long its beginning.  *ret_whole: it ends
 * there.  False: there is none, or it cannot be read. */
static bool next_line(struct run *r, struct span *ret, bool *ret_whole, bool *ret_failed)
{
    const char *at = r->room + r->from;
    const char *eol = memchr(at, '\n', r->to - r->from);
    if (!eol && !r->ended) {
        *ret_failed = !fill(r);
        at = r->room;
        eol = memchr(at, '\n', r->to);
    }
    size_t len = eol ? (size_t)(eol + 1 - at) : r->to - r->from;
    *ret_whole = eol || r->ended;
    *ret = (struct span){at, len};
    r->from += len;
    return len > 0 && !*ret_failed;
}

/* What a line that is too long has behind its beginning. */
static bool skip_rest(struct run *r)
{
    for (;;) {
        const char *at = r->room + r->from;
        const char *eol = memchr(at, '\n', r->to - r->from);
        r->from = eol ? (size_t)(eol + 1 - r->room) : r->to;
        if (eol || r->ended)
            return true;
        if (!fill(r))
            return false;
    }
}

/* Whether these lines, the first of a page, say that it is one of OpenMetrics: what the text
 * format does not have, or a counter whose sample has another name than its metadata. */
static bool is_openmetrics(struct span text)
{
    struct promtext *t = mem_alloc(sizeof *t);
    struct promtext_line *l = mem_alloc(sizeof *l);
    char total[300] = "";
    bool found = false;
    promtext_init(t, text);
    t->format = FORMAT_OPENMETRICS;
    t->quoted = true;
    for (enum status s; !found && (s = promtext_next(t, l, NULL)) != ERR_CLOSED;) {
        if (s != OK)
            continue;
        bool type = l->item == PROMTEXT_TYPE;
        found = l->item == PROMTEXT_EOF || l->item == PROMTEXT_UNIT ||
                (type && (l->kind == SERIES_INFO || l->kind == SERIES_STATESET ||
                          l->kind == SERIES_GAUGEHISTOGRAM || span_is(l->text, "unknown"))) ||
                (l->item == PROMTEXT_SAMPLE &&
                 (l->value.exemplar || (total[0] && span_is(l->name, total))));
        if (type)
            total[0] = '\0';
        if (type && l->kind == SERIES_COUNTER && l->name.len < 200)
            snprintf(total, sizeof total, "%.*s_total", (int)l->name.len, l->name.data);
    }
    mem_free(l);
    mem_free(t);
    return found;
}

static void guess(struct run *r)
{
    size_t len = r->to;
    while (!r->ended && len > 0 && r->room[len - 1] != '\n')
        len--;
    r->format = is_openmetrics((struct span){r->room, len}) ? FORMAT_OPENMETRICS : FORMAT_TEXT;
}

/* Reads the page through the check, all of it even when its end does not matter any more: whoever
 * writes it into a pipe shall not see the pipe closed. */
static bool read_page(struct run *r)
{
    struct span line;
    bool whole, failed = false;
    while (next_line(r, &line, &whole, &failed)) {
        r->lines++;
        r->last_eof = span_is(line, "# EOF\n") || span_is(line, "# EOF");
        if (!r->stopped)
            check_line(r->check, line);
        if (!whole && !skip_rest(r))
            return false;
    }
    if (!failed && !r->stopped)
        check_end(r->check);
    return !failed;
}

static void print_end(struct run *r)
{
    const char *format = page_format_name(r->format), *verdict = r->faults ? "bad" : "good";
    if (r->json) {
        added(r, buf_printf(&r->out,
                            "{\"page\":\"%s\",\"format\":\"%s\",\"lines\":%zu,\"families\":%zu,"
                            "\"samples\":%zu,\"faults\":%zu}\n",
                            verdict, format, r->lines, r->families, r->samples, r->faults));
    } else {
        if (r->faults > TOLD_FAULTS)
            added(r, buf_printf(&r->out, "and %zu faults more\n", r->faults - TOLD_FAULTS));
        fprintf(stderr, "a %s page, %s: %zu lines, %zu families, %zu samples, %zu fault%s%s\n",
                verdict, format, r->lines, r->families, r->samples, r->faults,
                r->faults == 1 ? "" : "s", r->stopped ? " up to the first" : "");
    }
    if (check_unkept(r->check) > 0)
        fprintf(stderr,
                "%zu series and families were too many to tell whether one is there twice\n",
                check_unkept(r->check));
    if (r->format == FORMAT_TEXT && r->last_eof && r->format_from == GUESS)
        fputs("the last line is # EOF: if this is a page of OpenMetrics, say --format "
              "openmetrics\n",
              stderr);
    flush(r, 0);
    r->unwritten |= fflush(stdout) != 0;
}

static int run(struct run *r, bool version2)
{
    r->fd = r->path ? open(r->path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (r->fd < 0) {
        fprintf(stderr, "%s: %s\n", r->path, strerror(errno));
        return EXIT_FAILED;
    }
    r->room = mem_alloc(ROOM_BYTES);
    r->out = (struct buf)BUF_INIT(OUT_BYTES);
    bool read = fill(r);
    if (read && r->format_from == GUESS)
        guess(r);
    struct check_conf conf = {.format = r->format,
                              .version2 = version2,
                              .max_line = LINE_BYTES,
                              .max_series = FAMILY_SERIES,
                              .max_families = FAMILIES,
                              .of = r,
                              .fault = take_fault,
                              .family = take_family,
                              .line = take_line};
    r->check = check_new(&conf);
    read = read && read_page(r);
    if (read)
        print_end(r);
    if (read && r->unwritten)
        fprintf(stderr, "standard output: %s\n", strerror(errno));
    check_free(r->check);
    buf_done(&r->out);
    mem_free(r->room);
    if (r->path)
        close(r->fd);
    return read && !r->unwritten && r->faults == 0 ? EXIT_FINE : EXIT_FAILED;
}

static bool read_format(struct run *r, const char *word, bool *ret_version2)
{
    r->format_from = strcmp(word, "auto") == 0 ? GUESS : GIVEN;
    *ret_version2 = strcmp(word, "openmetrics2") == 0;
    if (*ret_version2 || strcmp(word, "openmetrics") == 0)
        r->format = FORMAT_OPENMETRICS;
    else
        r->format = FORMAT_TEXT;
    return r->format_from == GUESS || r->format == FORMAT_OPENMETRICS || strcmp(word, "text") == 0;
}

static bool read_mode(struct run *r, const char *word)
{
    r->strict = strcmp(word, page_mode_name(MODE_STRICT)) == 0;
    return r->strict || strcmp(word, page_mode_name(MODE_SALVAGE)) == 0;
}

int cmd_check_page(int argc, char **argv)
{
    static const struct option long_options[] = {{"format", required_argument, NULL, 'f'},
                                                 {"mode", required_argument, NULL, 'm'},
                                                 {"json", no_argument, NULL, 'j'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    struct run r = {.format_from = GUESS};
    bool version2 = false, good = true;
    int o, code = EXIT_FINE;
    while (good && (o = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
        switch (o) {
        case 'f': good = read_format(&r, optarg, &version2); break;
        case 'm': good = read_mode(&r, optarg); break;
        case 'j': r.json = true; break;
        case 'h': return usage(EXIT_FINE);
        default: good = false;
        }
    }
    if (!good)
        return usage(EXIT_USAGE);
    r.several = argc - optind > 1;
    do {
        struct run one = r;
        one.path = optind < argc && strcmp(argv[optind], "-") != 0 ? argv[optind] : NULL;
        one.several &= one.path != NULL;
        code |= run(&one, version2);
    } while (++optind < argc);
    return code;
}
