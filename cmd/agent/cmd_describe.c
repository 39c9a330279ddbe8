/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_describe.c - describe: what a file comes to, with every default filled in.  Offline. */
#include "cmd_config.h"
#include "commands.h"

#define DESCRIPTION_MAX ((size_t)256 << 20) /* bytes */

static const char *const formats[] = {[DESCRIBE_TEXT] = "text",
                                      [DESCRIBE_JSON] = "json",
                                      [DESCRIBE_DOT] = "dot",
                                      [DESCRIBE_YAML] = "yaml"};

static int usage(int code)
{
    fputs("usage: strata-agent describe FILE [--format text|json|dot|yaml]\n"
          "\n"
          "Prints what a configuration comes to, every default filled in, secrets left out.\n"
          "Nothing is connected.\n"
          "\n"
          "  --format text    what goes where, for people; defaults have a '*' (the default)\n"
          "  --format json    the same for programs; the defaults are listed\n"
          "  --format dot     a graph: ... --format dot | dot -Tsvg > pipeline.svg\n"
          "  --format yaml    a configuration that says everything\n"
          "\n"
          "Exit codes: 0 fine, 1 failed, 2 usage, 78 the configuration has faults.\n",
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

/* FILE, --format WORD and --format=WORD in any order. */
static bool read_args(int argc, char **argv, const char **ret_path, enum describe_format *ret)
{
    const char *path = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--format") == 0 && i + 1 < argc) {
            if (!find_format(argv[++i], ret))
                return false;
        } else if (strncmp(argv[i], "--format=", 9) == 0) {
            if (!find_format(argv[i] + 9, ret))
                return false;
        } else if (argv[i][0] != '-' && !path) {
            path = argv[i];
        } else {
            return false;
        }
    }
    *ret_path = path;
    return path;
}

int cmd_describe(int argc, char **argv)
{
    const char *path;
    enum describe_format format = DESCRIBE_TEXT;
    if (argc == 2 && cmd_is_help(argv[1]))
        return usage(EXIT_FINE);
    if (!read_args(argc, argv, &path, &format))
        return usage(EXIT_USAGE);
    AUTO_PTR(config) struct config *c = cmd_config_load(path);
    if (!c)
        return EXIT_CONFIG;
    AUTO(buf) struct buf out = BUF_INIT(DESCRIPTION_MAX);
    if (config_describe(c, format, &out) != OK) {
        fprintf(stderr, "%s: too large to be described\n", path);
        return EXIT_FAILED;
    }
    return cmd_print(&out) ? EXIT_FINE : EXIT_FAILED;
}
