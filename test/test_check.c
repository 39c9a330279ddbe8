/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "test.h"

static const struct check_conf openmetrics = {
    .format = FORMAT_OPENMETRICS, .max_line = 1000, .max_series = 1000, .max_families = 1000};

static enum status check(const struct check_conf *conf, const char *text, struct err *err)
{
    return check_page(conf, (struct span){text, strlen(text)}, err);
}

TEST(a_page_is_refused_at_its_first_fault)
{
    struct err err = {.text = ""};
    CHECK_INT(check(&openmetrics, "# TYPE a counter\na_total 1\n# EOF\n", &err), OK);
    CHECK_INT(check(&openmetrics, "# TYPE a counter\na_total -1\na_total x\n# EOF\n", &err),
              ERR_INVALID);
    CHECK_STR(err.text, "line 2, column 9: -1: what is counted is not negative (counter-negative)");
    CHECK_INT(check(&openmetrics, "", NULL), ERR_INVALID);
}
