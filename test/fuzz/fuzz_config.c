/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_config.c - any file is refused with a place, or good; a good one can be described, and
 * its YAML is a file that comes to the same. */
#include "config.h"
#include "mem.h"

#define TARGETS "static: {targets: [\"http://a\"]}"

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {"sources:\n",
                                  "pools:\n",
                                  "sinks:\n",
                                  "agent:\n",
                                  "- {name: s, " TARGETS ", pool: main",
                                  "- {name: main, outputs: [{json: , sink: out",
                                  "- {name: out, stdout: ",
                                  "}\n",
                                  "}]}\n",
                                  "  ",
                                  "name: ",
                                  "interval: ",
                                  "timeout: ",
                                  "http: ",
                                  "labels: ",
                                  "filters: ",
                                  "clip: ",
                                  "clamp: ",
                                  "match: ",
                                  "log: ",
                                  "level: ",
                                  "cluster: ",
                                  "listen: ",
                                  "memory: ",
                                  "buffer: ",
                                  "max_message: ",
                                  "${HOME}",
                                  "${X:-y}",
                                  "${",
                                  "$$",
                                  "file:/x",
                                  "10s",
                                  "1MiB",
                                  "99999999999999999999",
                                  "true",
                                  "null",
                                  "-",
                                  "[",
                                  "]",
                                  "{",
                                  "}",
                                  ", ",
                                  "\"",
                                  "\n",
                                  "\\0",
                                  "\xff",
                                  "a",
                                  NULL};

static void check(bool good)
{
    if (!good)
        abort();
}

static void check_faults(const struct faults *f)
{
    AUTO(buf) struct buf said = BUF_INIT(1 << 20);
    check(f->len > 0);
    for (size_t i = 0; i < f->len; i++)
        check(f->items[i].line > 0 && f->items[i].column > 0 && f->items[i].text[0] &&
              !strchr(f->items[i].text, '\n'));
    faults_print(f, "f", &said);
    check(said.len > 0);
}

static void describe(const struct config *c, enum describe_format format, struct buf *out)
{
    check(config_describe(c, format, out) == OK && out->len > 0);
}

static void check_good(const struct config *c)
{
    AUTO(buf) struct buf yaml = BUF_INIT((size_t)64 << 20), again = BUF_INIT((size_t)64 << 20);
    struct faults f = {0};
    struct config *second = NULL;
    describe(c, DESCRIBE_YAML, &yaml);
    check(config_parse(&second, (struct span){yaml.data, yaml.len}, &f) == OK);
    for (enum describe_format d = DESCRIBE_TEXT; d <= DESCRIBE_DOT; d++) {
        buf_truncate(&again, 0);
        describe(second, d, &again);
    }
    buf_truncate(&again, 0);
    describe(second, DESCRIBE_YAML, &again);
    check(strcmp(yaml.data, again.data) == 0);
    config_free(second);
}

static void try(struct span text)
{
    struct faults f = {0};
    struct config *c = NULL;
    if (config_parse(&c, text, &f) == OK)
        check_good(c);
    else
        check_faults(&f);
    config_free(c);
    faults_done(&f);
}

/* As it is; and as a section of a file that is good otherwise, which is harder to refuse. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char head[] = "sources: [{name: s, " TARGETS ", pool: main}]\n"
                               "pools: [{name: main, outputs: [{json: , sink: out}]}]\n"
                               "sinks: [{name: out, stdout: }]\n"
                               "agent: ";
    struct span text = {(const char *)data, size};
    AUTO(buf) struct buf section = BUF_INIT(sizeof head + size);
    check(buf_puts(&section, head) == OK && buf_add(&section, text.data, text.len) == OK);
    try(text);
    try((struct span){section.data, section.len});
    return 0;
}
