/* SPDX-License-Identifier: Apache-2.0 */
#include "format.h"
#include "test.h"

static struct span span(const char *text)
{
    return (struct span){text, strlen(text)};
}

TEST(a_content_type_names_the_format)
{
    static const struct {
        const char *type;
        int format; /* -1: none of ours */
        unsigned version;
    } cases[] = {
        {"text/plain", FORMAT_TEXT, 0},
        {"text/plain; version=0.0.4", FORMAT_TEXT, 0},
        {"text/plain;version=1.0.0;charset=utf-8;escaping=allow-utf-8", FORMAT_TEXT, 1},
        {" Text/PLAIN ; Version=\"1.0.0\"", FORMAT_TEXT, 1},
        {"application/openmetrics-text; version=1.0.0; charset=utf-8", FORMAT_OPENMETRICS, 1},
        {"application/openmetrics-text; charset=\"a;version=7\"; version=2.0.0", FORMAT_OPENMETRICS,
         2},
        {"application/openmetrics-text;version=0.0.1", FORMAT_OPENMETRICS, 0},
        {"application/openmetrics-text;version=12.0.1", FORMAT_OPENMETRICS, 0},
        {"application/openmetrics-text;version=10.0", FORMAT_OPENMETRICS, 0},
        {"application/openmetrics-text;version=9.0", FORMAT_OPENMETRICS, 9},
        {"application/openmetrics-text;version=", FORMAT_OPENMETRICS, 0},
        {"application/openmetrics-text;;x;version=\"1\"", FORMAT_OPENMETRICS, 1},
        {"APPLICATION/OPENMETRICS-TEXT", FORMAT_OPENMETRICS, 0},
        {"application/vnd.google.protobuf; proto=a.b; encoding=delimited", -1, 0},
        {"text/html; charset=utf-8", -1, 0},
        {"text/plainer", -1, 0},
        {"text", -1, 0},
        {"", -1, 0},
        {"; version=1.0.0", -1, 1},
        {"\"text/plain\"", -1, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum page_format f = FORMAT_TEXT;
        bool known = page_format_of(span(cases[i].type), &f);
        int got = known ? (int)f : -1;
        if (got != cases[i].format || page_format_version(span(cases[i].type)) != cases[i].version)
            test_fail(__FILE__, __LINE__, "'%s'", cases[i].type);
    }
}

TEST(formats_and_modes_have_names)
{
    CHECK_STR(page_format_name(FORMAT_TEXT), "text");
    CHECK_STR(page_format_name(FORMAT_OPENMETRICS), "openmetrics");
    CHECK_STR(page_mode_name(MODE_SALVAGE), "salvage");
    CHECK_STR(page_mode_name(MODE_STRICT), "strict");
}
