/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_settings.c - settings: all that can be configured. */
#include "cmd_config.h"
#include "commands.h"

int cmd_settings(int argc, char **argv)
{
    bool markdown = argc == 2 && strcmp(argv[1], "--markdown") == 0;
    if (argc > 1 && !markdown) {
        fprintf(stderr, "usage: strata-agent settings [--markdown]\n");
        return EXIT_USAGE;
    }
    AUTO(buf) struct buf out = BUF_INIT((size_t)4 << 20);
    if (config_settings(markdown, &out) != OK)
        return EXIT_FAILED;
    return cmd_print(&out) ? EXIT_FINE : EXIT_FAILED;
}
