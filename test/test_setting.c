/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"
#include "setting.h"
#include "test.h"

#include <math.h>

struct conf {
    int64_t interval;
    int64_t size;
    char *url;
    double low;
};

static const struct setting settings[] = {
    SETTING_DURATION(conf, interval, "30s", SEC_NS, 3600 * SEC_NS, "time between scrapes"),
    SETTING_BYTES(conf, size, "1MiB", 1, 1 << 30, "largest body"),
    SETTING_STRING(conf, url, NULL, SETTING_REQUIRED, "where to send"),
    SETTING_DOUBLE_OPTIONAL(conf, low, "lowest"), SETTING_END};

TEST(defaults_come_from_the_table)
{
    struct conf c = {0};
    setting_defaults(settings, &c);
    CHECK_INT(c.interval, 30 * SEC_NS);
    CHECK_INT(c.size, 1 << 20);
    CHECK(c.url == NULL);
    CHECK(isnan(c.low));
}

TEST(a_bad_value_is_named_and_leaves_the_field_alone)
{
    static const struct {
        const char *name, *text, *error;
    } cases[] = {
        {"interval", "ten", "interval: 'ten' is not a number"},
        {"interval", "10", "interval: '10' has no known unit"},
        {"interval", "10ms", "interval: '10ms' is out of range"},
        {"interval", "9223372036854775807h", "interval: '9223372036854775807h' is out of range"},
        {"low", "nan", "low: 'nan' is not a number"},
        {"low", "1 ", "low: '1 ' is not a number"},
        {"size", "1MB", "size: '1MB' has no known unit"},
    };
    struct conf c = {.interval = 7, .size = 7};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        const struct setting *s = setting_find(settings, cases[i].name);
        CHECK_INT(setting_set(s, &c, cases[i].text, &err), ERR_INVALID);
        CHECK_STR(err.text, cases[i].error);
    }
    CHECK_INT(c.interval, 7);
    CHECK_INT(c.size, 7);
}

TEST(a_string_is_owned_by_the_struct)
{
    struct conf c = {0};
    const struct setting *s = setting_find(settings, "url");
    CHECK_INT(setting_set(s, &c, "http://a", NULL), OK);
    CHECK_INT(setting_set(s, &c, "http://b", NULL), OK);
    CHECK_STR(c.url, "http://b");
    setting_done(settings, &c);
    CHECK(c.url == NULL);
}
