/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_settings.c - settings: all that can be configured. */
#include "cmd_config.h"
#include "commands.h"

static int usage(int code)
{
    fputs("usage: strata-agent settings [--markdown | --schema]\n"
          "\n"
          "Lists every setting with type, bounds, default and what it says; --markdown as\n"
          "docs/SETTINGS.md; --schema as a JSON Schema (draft-07) of the configuration file.\n"
          "\n"
          "Exit codes: 0 fine, 1 failed, 2 usage.\n",
          code == EXIT_FINE ? stdout : stderr);
    return code;
}

int cmd_settings(int argc, char **argv)
{
    if (argc == 2 && cmd_is_help(argv[1]))
        return usage(EXIT_FINE);
    bool markdown = argc == 2 && strcmp(argv[1], "--markdown") == 0;
    bool schema = argc == 2 && strcmp(argv[1], "--schema") == 0;
    if (argc > 1 && !markdown && !schema)
        return usage(EXIT_USAGE);
    AUTO(buf) struct buf out = BUF_INIT((size_t)4 << 20);
    if ((schema ? config_schema(&out) : config_settings(markdown, &out)) != OK)
        return EXIT_FAILED;
    return cmd_print(&out) ? EXIT_FINE : EXIT_FAILED;
}
