/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_setting.c - any text is parsed or refused, never worse. */
#include "setting.h"

struct conf {
    int64_t i, d, b;
    double f;
    char *s;
};

static const struct setting table[] = {SETTING_INT(conf, i, "1", -10, 10, "int"),
                                       SETTING_DURATION(conf, d, "1s", 0, INT64_MAX, "duration"),
                                       SETTING_BYTES(conf, b, "1", 0, INT64_MAX, "bytes"),
                                       SETTING_DOUBLE(conf, f, "1", "double"),
                                       SETTING_STRING(conf, s, "", 0, "string"),
                                       SETTING_END};

extern const char *const fuzz_words[];
const char *const fuzz_words[] = {"0",
                                  "1",
                                  "9",
                                  "10",
                                  "-",
                                  "+",
                                  ".",
                                  "e",
                                  "E",
                                  "inf",
                                  "nan",
                                  "true",
                                  "false",
                                  "unset",
                                  "s",
                                  "ms",
                                  "m",
                                  "h",
                                  "KiB",
                                  "MiB",
                                  "GiB",
                                  " ",
                                  "9223372036854775807",
                                  NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf c = {0};
    char *text = calloc(1, size + 1);
    memcpy(text, data, size);
    for (const struct setting *s = table; s->name; s++) {
        struct err err;
        if (setting_set(s, &c, text, &err) != OK && err.text[0] == '\0')
            abort();
    }
    setting_done(table, &c);
    free(text);
    return 0;
}
