/* SPDX-License-Identifier: Apache-2.0 */
/* test.h - tests with sentences for names, on cmocka.
 *
 *     TEST(clamp_moves_to_the_nearer_bound)
 *     {
 *         CHECK_DBL(run_clamp(12), 10);
 *     }
 *
 * A TEST registers itself; test_main.c gives cmocka those whose name contains argv[1]
 * (without it: all), in file order; none is a failure.  A failed CHECK prints both values
 * and ends the test: it jumps, so only a test's own thread may CHECK.  Rules: no sleep, no
 * fixed port, no order between tests, 100 ms.  */
#ifndef TEST_H
#define TEST_H

#include "base.h"

#include <inttypes.h>

struct test {
    const char *name;
    void (*run)(void);
    struct test *next;
};

void test_register(struct test *t);
void test_fail(const char *file, int line, const char *fmt, ...) PRINTF(3, 4) NORETURN;

/* Ends the test as skipped, because this machine lacks something.  Under STRATA_REQUIRE=all,
 * as in CI, it fails instead. */
void test_skip(const char *file, int line, const char *why) NORETURN;

#define TEST(name_)                                                   \
    static void test_##name_(void);                                   \
    __attribute__((constructor)) static void register_##name_(void)   \
    {                                                                 \
        static struct test t = {.name = #name_, .run = test_##name_}; \
        test_register(&t);                                            \
    }                                                                 \
    static void test_##name_(void)

#define SKIP(why) test_skip(__FILE__, __LINE__, why)

#define CHECK(cond)                                     \
    do {                                                \
        if (!(cond))                                    \
            test_fail(__FILE__, __LINE__, "%s", #cond); \
    } while (0)

#define CHECK_OP_(got, want, type, fmt, equal)                                              \
    do {                                                                                    \
        type got_ = (got);                                                                  \
        type want_ = (want);                                                                \
        if (!(equal))                                                                       \
            test_fail(__FILE__, __LINE__, "%s is %" fmt ", want %" fmt, #got, got_, want_); \
    } while (0)

#define CHECK_INT(got, want) \
    CHECK_OP_((intmax_t)(got), (intmax_t)(want), intmax_t, PRIdMAX, got_ == want_)
#define CHECK_DBL(got, want) CHECK_OP_(got, want, double, ".17g", !(got_ < want_ || got_ > want_))
#define CHECK_STR(got, want) \
    CHECK_OP_(got, want, const char *, "s", got_ &&want_ &&strcmp(got_, want_) == 0)

#endif
