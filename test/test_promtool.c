/* SPDX-License-Identifier: Apache-2.0 */
/* test_promtool.c - Prometheus' own check of our metrics: a page as it is made, and as it
 * comes over the wire. */
#include "made_view.h"
#include "test.h"
#include "web.h"
#include "web_client.h"

#include <sys/wait.h>

/* What promtool has to say of page; "" when it finds nothing, not even a matter of style. */
static const char *check(const char *page)
{
    static char said[4096];
    char name[] = "/tmp/strata-metrics-XXXXXX";
    if (system("command -v promtool >/dev/null 2>&1") != 0)
        SKIP("promtool is not installed (Debian: prometheus)");
    int fd = mkstemp(name);
    CHECK(fd >= 0 && write(fd, page, strlen(page)) == (ssize_t)strlen(page));
    close(fd);
    char command[128];
    snprintf(command, sizeof command, "promtool check metrics <%s 2>&1", name);
    FILE *f = popen(command, "re");
    CHECK(f);
    said[fread(said, 1, sizeof said - 1, f)] = '\0';
    int r = pclose(f);
    unlink(name);
    if (said[0] == '\0' && r != 0)
        snprintf(said, sizeof said, "promtool ended with %d", r);
    return said;
}

TEST(promtool_finds_fault_with_a_bad_page)
{
    CHECK(strstr(check("# TYPE a counter\na 1\n"), "_total")); /* it looks at all */
    CHECK(strstr(check("a{b=\"1} 1\n"), "error"));
}

TEST(promtool_likes_a_made_up_page)
{
    AUTO(made) struct made m;
    AUTO(buf) struct buf b = BUF_INIT((size_t)1 << 20);
    made_init(&m, 12);
    m.view.version = m.pools[0].name = m.lanes[1].sink = MADE_HOSTILE;
    CHECK_INT(web_metrics(&m.view, &b), OK);
    CHECK_STR(check(b.data), "");
}

static void take(void *of, struct view *v)
{
    *v = *(struct view *)of;
}

static void release(void *of, struct view *v)
{
    (void)of, (void)v;
}

TEST(promtool_likes_a_page_from_the_wire)
{
    AUTO(made) struct made m;
    made_init(&m, 3);
    const struct web_conf conf = {
        .listen = "127.0.0.1:0", .take = take, .release = release, .of = &m.view};
    struct web *w;
    struct err err;
    CHECK_INT(web_new(&w, &conf, &err), OK);
    const char *said = check(web_body(web_get(web_url(w), "/metrics")));
    web_free(w);
    CHECK_STR(said, "");
}
