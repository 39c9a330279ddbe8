/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_check.c - check-config: is the file good, and if not, all that is wrong with it. */
#include "cmd_config.h"
#include "commands.h"

static size_t count_outputs(const struct config *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->pools_len; i++)
        n += c->pools[i].outputs_len;
    return n;
}

/* "3 pools", "1 pool" */
static enum status add_count(size_t n, const char *what, const char *before, struct buf *out)
{
    return buf_printf(out, "%s%zu %s%s", before, n, what, n == 1 ? "" : "s");
}

static int usage(int code)
{
    fputs("usage: strata-agent check-config FILE\n"
          "\n"
          "Prints each fault of a configuration as FILE:LINE:COLUMN: TEXT, all in one go, or that\n"
          "there is none.  Nothing is connected.\n"
          "\n"
          "Exit codes: 0 good, 1 it could not be printed, 2 usage, 78 faults.\n",
          code == EXIT_FINE ? stdout : stderr);
    return code;
}

int cmd_check(int argc, char **argv)
{
    if (argc == 2 && cmd_is_help(argv[1]))
        return usage(EXIT_FINE);
    if (argc != 2 || argv[1][0] == '-')
        return usage(EXIT_USAGE);
    AUTO_PTR(config) struct config *c = cmd_config_load(argv[1]);
    if (!c)
        return EXIT_CONFIG;
    AUTO(buf) struct buf out = BUF_INIT(8192);
    enum status s = buf_cat(&out, argv[1], ": ok (", NULL);
    if (s == OK)
        s = add_count(c->sources_len, "source", "", &out);
    if (s == OK)
        s = add_count(c->pools_len, "pool", ", ", &out);
    if (s == OK)
        s = add_count(count_outputs(c), "output", ", ", &out);
    if (s == OK)
        s = add_count(c->sinks_len, "sink", ", ", &out);
    if (s == OK)
        s = buf_puts(&out, ")\n");
    return s == OK && cmd_print(&out) ? EXIT_FINE : EXIT_FAILED;
}
