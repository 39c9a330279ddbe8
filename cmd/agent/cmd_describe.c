/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_describe.c - describe: what a file comes to, with every default filled in.  Offline, but for
 * --discover. */
#include "clock.h"
#include "cmd_config.h"
#include "cmd_discover.h"
#include "commands.h"

#include <getopt.h>

#define DESCRIPTION_MAX ((size_t)256 << 20) /* bytes */

static const char *const formats[] = {[DESCRIBE_TEXT] = "text",
                                      [DESCRIBE_JSON] = "json",
                                      [DESCRIBE_DOT] = "dot",
                                      [DESCRIBE_YAML] = "yaml"};

static int usage(int code)
{
    fputs("usage: strata-agent describe FILE [--format text|json|dot|yaml]\n"
          "       strata-agent describe --discover FILE [--format text|json] [--timeout DURATION]\n"
          "\n"
          "Prints what a configuration comes to, every default filled in, secrets left out.\n"
          "Nothing is connected.  With --discover: what its sources find now, each candidate with\n"
          "the reason why it is, or is not, a target.  Nothing is scraped or delivered.\n"
          "\n"
          "  --format text    what goes where, for people; defaults have a '*' (the default)\n"
          "  --format json    the same for programs; the defaults are listed\n"
          "  --format dot     a graph: ... --format dot | dot -Tsvg > pipeline.svg\n"
          "  --format yaml    a configuration that says everything\n"
          "  --discover       open the sources and list what they find; --format text or json\n"
          "  --timeout DURATION\n"
          "                   wait so long at most until all have synced or failed; 10s\n"
          "\n"
          "Exit codes: 0 fine, 1 failed (--discover: a source too), 2 usage, 78 the configuration\n"
          "has faults.\n",
          code == EXIT_FINE ? stdout : stderr);
    return code;
}

static bool find_format(const char *word, enum describe_format *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (strcmp(formats[i], word) == 0) {
            *ret = (enum describe_format)i;
            return true;
        }
    }
    return false;
}

struct describe_args {
    struct discover_options discover;
    enum describe_format format;
    bool discovers;
};

static const struct setting timeout_setting[] = {
    SETTING_DURATION(discover_options, timeout, "10s", MS_NS, 3600 * SEC_NS,
                     "until all sources have synced or failed"),
    SETTING_END,
};

static bool read_args(int argc, char **argv, struct describe_args *a)
{
    static const struct option long_options[] = {{"format", required_argument, NULL, 'f'},
                                                 {"discover", no_argument, NULL, 'd'},
                                                 {"timeout", required_argument, NULL, 't'},
                                                 {NULL, 0, NULL, 0}};
    struct err err;
    bool timed = false;
    int o;
    setting_defaults(timeout_setting, &a->discover);
    while ((o = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
        if (o == 'd') {
            a->discovers = true;
        } else if (o == 't') {
            timed = true;
            if (setting_set(&timeout_setting[0], &a->discover, optarg, &err) != OK) {
                fprintf(stderr, "--%s\n", err.text);
                return false;
            }
        } else if (o != 'f' || !find_format(optarg, &a->format)) {
            return false;
        }
    }
    a->discover.path = argv[optind];
    a->discover.json = a->format == DESCRIBE_JSON;
    bool listed = a->format == DESCRIBE_TEXT || a->format == DESCRIBE_JSON;
    return optind + 1 == argc && (a->discovers ? listed : !timed);
}

static int print_description(const struct config *c, const struct describe_args *a)
{
    AUTO(buf) struct buf out = BUF_INIT(DESCRIPTION_MAX);
    if (config_describe(c, a->format, &out) != OK) {
        fprintf(stderr, "%s: too large to be described\n", a->discover.path);
        return EXIT_FAILED;
    }
    return cmd_print(&out) ? EXIT_FINE : EXIT_FAILED;
}

int cmd_describe(int argc, char **argv)
{
    struct describe_args a = {.format = DESCRIBE_TEXT};
    if (argc == 2 && cmd_is_help(argv[1]))
        return usage(EXIT_FINE);
    if (!read_args(argc, argv, &a))
        return usage(EXIT_USAGE);
    AUTO_PTR(config) struct config *c = cmd_config_load(a.discover.path);
    if (!c)
        return EXIT_CONFIG;
    return a.discovers ? cmd_discover(c, &a.discover) : print_description(c, &a);
}
