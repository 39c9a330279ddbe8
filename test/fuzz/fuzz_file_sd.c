/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_file_sd.c - any text is a list of targets or refused with its place, never worse;
 * and any target has a URL and labels that hold, or is refused. */
#include "clock.h"
#include "file_sd.h"
#include "mem.h"
#include "source.h"

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {"[",
                                  "]",
                                  "{",
                                  "}",
                                  ":",
                                  ",",
                                  "\"",
                                  "- ",
                                  "\n",
                                  "\n  ",
                                  "\"targets\":",
                                  "targets: ",
                                  "\"labels\":",
                                  "labels: ",
                                  "[{\"targets\":[\"",
                                  "\"]}]",
                                  "\"h:1\"",
                                  "h:1",
                                  "http://",
                                  "https://",
                                  "[::1]",
                                  "fe80::1",
                                  "127.0.0.1",
                                  "localhost",
                                  "%25",
                                  "%zz",
                                  "@",
                                  "/",
                                  "?",
                                  "#",
                                  "&a",
                                  "*a",
                                  "__scheme__: ",
                                  "__metrics_path__: ",
                                  "__param_x: ",
                                  "job: ",
                                  "null",
                                  "~",
                                  "\xc3\xa4",
                                  "\xff",
                                  "\\u0041",
                                  "\t",
                                  " ",
                                  "|",
                                  ">",
                                  "!!str ",
                                  "'",
                                  "<<: ",
                                  NULL};

static void check(bool good)
{
    if (!good)
        abort();
}

static void check_target(const struct target *t)
{
    check(strncmp(t->url, "http://", 7) == 0 || strncmp(t->url, "https://", 8) == 0);
    check(strlen(t->url) <= SOURCE_URL_MAX && t->labels_len <= TARGET_LABELS);
    for (const char *c = t->url; *c; c++)
        check((unsigned char)*c > ' ' && (unsigned char)*c < 0x7f);
    size_t host = strcspn(t->url + 8, "/");
    check(memchr(t->url + 8, '@', host) == NULL);
    for (size_t i = 0; i < t->labels_len; i++) {
        const struct label *l = &t->labels[i];
        check(l->value[0] && strncmp(l->name, "__", 2) != 0);
        check(text_is_utf8((struct span){l->value, strlen(l->value)}));
        for (size_t k = 0; k < i; k++)
            check(strcmp(l->name, t->labels[k].name) != 0);
    }
}

static void add(void *to, const char *url, const struct text_map *labels)
{
    static char name[] = "s", pool[] = "main";
    static const struct source_common common = {
        .name = name, .pool = pool, .interval = 30 * SEC_NS, .targets = 10};
    static const struct source_env env = {.common = &common, .agent = {.instance = "node"}};
    struct target *t = NULL;
    struct err err = {.text = ""};
    size_t *targets = to;
    (*targets)++;
    if (source_target(&env, url, labels, &t, &err) != OK) {
        check(err.text[0] != '\0');
        return;
    }
    check_target(t);
    target_unref(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t targets = 0;
    struct err err = {.text = ""};
    struct span text = {(const char *)data, size};
    bool other_keys = size % 2;
    if (file_sd_read(text, other_keys, add, &targets, &err) != OK)
        check(targets == 0 && err.text[0] >= '1' && err.text[0] <= '9');
    return 0;
}
