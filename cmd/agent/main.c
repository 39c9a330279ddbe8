/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - strata-agent and its commands.  */
#include "commands.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"run", cmd_run, "scrape, filter, encode, deliver; until SIGTERM"},
    {"check-config", cmd_check, "all faults of a configuration, each with its place"},
    {"check-page", cmd_check_page, "all faults of a page of metrics, each with its place"},
    {"describe", cmd_describe, "what a configuration amounts to, defaults filled in"},
    {"settings", cmd_settings, "every setting with type, default, bounds and help"},
    {"scrape", cmd_scrape, "one scrape of a URL, through filters and encoder, to stdout"},
    {"queue", cmd_queue, "what is in the queue on disk of an output; delivers or deletes it"},
    {"health", cmd_health, "whether the agent on this machine is well, by its exit code"},
};

static int help(FILE *to, int code)
{
    fputs("strata-agent scrapes metrics and hands every sample to a message queue.\n"
          "\n"
          "usage: strata-agent COMMAND [OPTIONS]\n"
          "\n",
          to);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(to, "  %-14s %s\n", commands[i].name, commands[i].help);
    fputs("\n"
          "  --version      print the version\n"
          "  --help         this text; COMMAND --help tells more\n"
          "\n"
          "Try it: strata-agent scrape http://127.0.0.1:9100/metrics\n"
          "        strata-agent check-config deploy/example.yaml\n"
          "        strata-agent run -c deploy/example.yaml\n"
          "\n"
          "Exit codes: 0 fine, 1 failed, 2 usage, 78 configuration.  See strata-agent(1).\n",
          to);
    return code;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return help(stderr, EXIT_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return help(stdout, EXIT_FINE);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts("strata-agent " STRATA_VERSION);
        return EXIT_FINE;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, argv[1]) == 0)
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "strata-agent: no command '%s'\n\n", argv[1]);
    return help(stderr, EXIT_USAGE);
}
