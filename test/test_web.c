/* SPDX-License-Identifier: Apache-2.0 */
/* test_web.c - what the pages say of a made-up agent. */
#include "json_check.h"
#include "laws.h"
#include "made_view.h"
#include "test.h"
#include "web.h"

#define ROOM ((size_t)16 << 20)

static bool has(const struct buf *b, const char *text)
{
    return strstr(b->data, text) != NULL;
}

TEST(the_metrics_of_the_books_are_there)
{
    static const char *const lines[] = {
        "\n# TYPE strata_scrapes_total counter\n",
        "\nstrata_build_info{version=\"0.1.0\"} 1\n",
        "\nstrata_ready 1\n",
        "\nstrata_config_reloads_failed_total 1\n",
        "\nstrata_regex_limited_total 3\n",
        "\nstrata_jobs_due_total 128490\n",
        "\nstrata_jobs_dropped_total{reason=\"late\"} 10\n",
        "\nstrata_scrapes_total{pool=\"main\"} 128400\n",
        "\nstrata_scrapes_total{pool=\"old\"} 12\n",
        "\nstrata_scrapes_failed_total{pool=\"main\",reason=\"timeout\"} 40\n",
        "\nstrata_samples_filtered_total{pool=\"main\",index=\"1\",filter=\"clamp\"} 50\n",
        "\nstrata_samples_refused_total{pool=\"main\",reason=\"series_twice\"} 2\n",
        "\nstrata_jobs_wait_seconds_total{pool=\"main\"} 2.5\n",
        "\nstrata_scrape_duration_seconds_bucket{pool=\"main\",le=\"0.005\"} 0\n",
        "\nstrata_scrape_duration_seconds_bucket{pool=\"main\",le=\"0.01\"} 128000\n",
        "\nstrata_scrape_duration_seconds_bucket{pool=\"main\",le=\"5\"} 128400\n",
        "\nstrata_scrape_duration_seconds_bucket{pool=\"main\",le=\"+Inf\"} 128447\n",
        "\nstrata_scrape_duration_seconds_sum{pool=\"main\"} 1570\n",
        "\nstrata_scrape_duration_seconds_count{pool=\"main\"} 128447\n",
        "output=\"json-queue\",sink=\"queue\",reason=\"buffer_full\"} 1500\n",
        "_delay_seconds_total{pool=\"main\",output=\"json-queue\",sink=\"queue\"} 7654.321\n",
        "\nstrata_lane_connected{pool=\"main\",output=\"json-queue\",sink=\"queue\"} 1\n",
        "\nstrata_source_failing{source=\"extra\",kind=\"file\"} 1\n",
        "\nstrata_targets{health=\"down\"} 2\n",
        "\nstrata_targets{health=\"unknown\"} 1\n",
        "\nstrata_memory_bytes{part=\"bodies\"} 4194304\n",
        "\nstrata_memory_used_bytes 37494784\n",
        "\nstrata_thread_beat_age_seconds{thread=\"pool\",pool=\"main\",output=\"\"} 0.02\n",
        "\nstrata_log_lines_total{level=\"error\"} ",
        "\nprocess_open_fds ",
    };
    AUTO(made) struct made m;
    AUTO(buf) struct buf b = BUF_INIT(ROOM);
    made_init(&m, 12);
    CHECK_INT(web_metrics(&m.view, &b), OK);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (!has(&b, lines[i]))
            test_fail(__FILE__, __LINE__, "missing: %s", lines[i] + 1);
}

TEST(what_a_filter_of_an_earlier_configuration_dropped_stays)
{
    AUTO(made) struct made m;
    AUTO(buf) struct buf b = BUF_INIT(ROOM);
    made_init(&m, 0);
    m.pool_books[0].filtered[FILTER_STEPS - 1] = 9;
    CHECK_INT(web_metrics(&m.view, &b), OK);
    CHECK(has(&b, "\nstrata_samples_filtered_total{pool=\"main\",index=\"31\",filter=\"\"} 9\n"));
    CHECK(!has(&b, "index=\"30\""));
    buf_truncate(&b, 0);
    CHECK_INT(web_status(&m.view, &b), OK);
    CHECK(has(&b, "{\"index\":31,\"filter\":null,\"samples\":9}]"));
}

TEST(label_values_are_escaped)
{
    AUTO(made) struct made m;
    AUTO(buf) struct buf b = BUF_INIT(ROOM);
    made_init(&m, 0);
    m.view.version = "a\"b\\c\nd\xff";
    CHECK_INT(web_metrics(&m.view, &b), OK);
    CHECK(has(&b, "strata_build_info{version=\"a\\\"b\\\\c\\nd?\"} 1\n"));
}

TEST(process_metrics_are_those_of_this_process)
{
    AUTO(made) struct made m;
    AUTO(buf) struct buf b = BUF_INIT(ROOM);
    made_init(&m, 0);
    CHECK_INT(web_metrics(&m.view, &b), OK);
    double started = strtod(strstr(b.data, "\nprocess_start_time_seconds ") + 28, NULL);
    double resident = strtod(strstr(b.data, "\nprocess_resident_memory_bytes ") + 31, NULL);
    double fds = strtod(strstr(b.data, "\nprocess_open_fds ") + 18, NULL);
    double now = (double)clock_wall_ms() / 1000;
    CHECK(started > now - 60 && started < now + 2);
    if (!getenv("STRATA_EMULATED")) /* qemu-user makes up /proc/self/stat, without sizes */
        CHECK(resident > 100000 && resident < 1e11);
    CHECK(fds >= 1 && fds < 1000);
}

/* Rows of docs/METRICS.md are "| `name` | type | labels | meaning |". */
static size_t read_doc(struct buf *doc)
{
    char path[4096];
    size_t rows = 0;
    snprintf(path, sizeof path, "%.*s/../docs/METRICS.md", (int)(strrchr(__FILE__, '/') - __FILE__),
             __FILE__);
    FILE *f = fopen(path, "re");
    CHECK(f);
    static char text[1 << 17];
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    CHECK_INT(buf_puts(doc, text), OK);
    for (const char *p = text; (p = strstr(p, "\n| `")); p++)
        rows++;
    return rows;
}

TEST(every_metric_is_in_the_document_and_the_other_way_round)
{
    AUTO(made) struct made m;
    AUTO(buf) struct buf page = BUF_INIT(ROOM), doc = BUF_INIT(ROOM);
    made_init(&m, 12);
    CHECK_INT(web_metrics(&m.view, &page), OK);
    size_t rows = read_doc(&doc), families = 0;
    for (char *p = page.data; (p = strstr(p, "# HELP ")); families++) {
        char name[128], help[512], type[32], row[800];
        int at = 0;
        CHECK_INT(sscanf(p, "# HELP %127s %511[^\n]\n# TYPE %*s %31s%n", name, help, type, &at), 3);
        p += at;
        snprintf(row, sizeof row, "\n| `%s` | %s | ", name, type);
        const char *found = strstr(doc.data, row);
        if (!found)
            test_fail(__FILE__, __LINE__, "docs/METRICS.md lacks: %s", row + 1);
        snprintf(row, sizeof row, " | %s |\n", help);
        const char *end = strstr(found, row);
        if (!end || end > strchr(found + 1, '\n'))
            test_fail(__FILE__, __LINE__, "docs/METRICS.md: another meaning of %s", name);
    }
    CHECK_INT(families, rows);
}

TEST(targets_are_told_as_json)
{
    static const char *const parts[] = {
        "\"id\":\"shop/search-1/app:8080/metrics\"",
        "\"url\":\"http://10.0.3.41:9090/metrics\"",
        "\"health\":\"down\"",
        "\"last_error\":\"timeout: no answer within 10 s\"",
        "\"first_bad_line\":\"line 17, column 4: '}' expected, token 'x='\"",
        "\"first_refused\":\"max_value_bytes: http_requests_total\"",
        "\"flaws\":1,",
        "\"first_flaw\":\"line 18, column 1: no # EOF\"",
        "\"refused_names\":[\"max_value_bytes: http_requests_total\",\"max_series: other\"]",
        "\"labels\":{\"namespace\":\"shop\",\"odd\":\"<script>alert(\\\"x\\\")</script>'&\\\\\\n",
        "\"health\":\"unknown\",\"interval_seconds\":15,\"timeout_seconds\":10,",
        "\"last_scrape\":null",
        "\"refused\":[\"pods: shop/a: above the bound of 2000\",",
    };
    AUTO(made) struct made m;
    AUTO(buf) struct buf b = BUF_INIT(ROOM);
    made_init(&m, 12);
    CHECK_INT(web_targets(&m.view, &b), OK);
    CHECK(json_is_valid(b.data));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (!has(&b, parts[i]))
            test_fail(__FILE__, __LINE__, "missing: %s", parts[i]);
    CHECK(!has(&b, "hunter2"));
}

TEST(each_candidate_is_told_with_what_became_of_it)
{
    static const char *const parts[] = {
        ("\"candidates\":[{\"source\":\"pods\",\"id\":\"shop/checkout-0/app:8080/metrics\",\"url\":"
         "\"http://10.0.3.17:8080/metrics\",\"state\":\"target\",\"why\":null,\"winner\":null,"
         "\"winner_id\":null},"),
        ("{\"source\":\"hosts\",\"id\":\"shop/search-1/app:8080/metrics\",\"url\":"
         "\"http://10.0.3.17:8080/metrics\",\"state\":\"loser\",\"why\":"
         "\"another candidate of the same URL goes before "
         "it\",\"winner\":\"hosts\",\"winner_id\":\"shop/checkout-0/app:8080/metrics\"},"),
        ("{\"source\":\"hosts\",\"id\":\"shop/mailer-2/app:8080/metrics\",\"url\":null,\"state\":"
         "\"waiting\",\"why\":\"above the agent's bound of targets\",\"winner\":null,"),
        "\"url\":null,\"state\":\"refused\",\"why\":\"<script>",
        "],\"candidates_left_out\":9,\"candidates_error\":null}",
    };
    AUTO(made) struct made m;
    AUTO(buf) struct buf b = BUF_INIT(ROOM);
    made_init(&m, 12);
    CHECK_INT(web_targets(&m.view, &b), OK);
    CHECK(json_is_valid(b.data));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (!has(&b, parts[i]))
            test_fail(__FILE__, __LINE__, "missing: %s", parts[i]);
    m.view.candidates = NULL;
    m.view.candidates_error = "discovery has stopped";
    buf_truncate(&b, 0);
    CHECK_INT(web_targets(&m.view, &b), OK);
    CHECK(has(&b, "\"candidates\":[],\"candidates_left_out\":0,\"candidates_error\":"
                  "\"discovery has stopped\"}"));
}

TEST(what_watches_do_is_shown_of_sources_that_have_some)
{
    AUTO(made) struct made m;
    AUTO(buf) struct buf b = BUF_INIT(ROOM);
    made_init(&m, 0);
    CHECK_INT(web_status(&m.view, &b), OK);
    CHECK(json_is_valid(b.data));
    CHECK(has(&b, "\"watches\":{\"collections\":2,\"synced\":2,\"watching\":1,\"lists\":3,"));
    CHECK(!strstr(strstr(b.data, "\"watches\":{\"collections") + 1, "\"watches\":{"));
    buf_truncate(&b, 0);
    CHECK_INT(web_metrics(&m.view, &b), OK);
    CHECK(has(&b, "\nstrata_discovery_expired_total{source=\"pods\"} 4\n"));
    CHECK(!has(&b, "strata_discovery_expired_total{source=\"hosts\"}"));
    buf_truncate(&b, 0);
    CHECK_INT(web_page(&m.view, NULL, &b), OK);
    CHECK(has(&b, "1 of 2 watches open, 1,234 objects, "));
}

TEST(without_targets_the_lists_are_empty)
{
    AUTO(made) struct made m;
    AUTO(buf) struct buf b = BUF_INIT(ROOM);
    made_init(&m, 0);
    m.view.refused_targets = NULL;
    m.view.candidates = NULL;
    CHECK_INT(web_targets(&m.view, &b), OK);
    CHECK_STR(b.data, "{\"targets\":[],\"refused\":[],\"candidates\":[],\"candidates_left_out\":0,"
                      "\"candidates_error\":null}\n");
}

TEST(the_status_is_json_with_balanced_books)
{
    static const char *const parts[] = {
        "\"version\":\"0.1.0\"",
        "\"path\":\"/etc/strata/agent.yaml\"",
        "\"last_reload_error\":\"agent.yaml:7:3: unknown key\"",
        "\"balance\":0,\"books\":[{\"of\":\"jobs due\",\"left\":{\"due\":128490},",
        "\"right\":{\"handed\":128473,\"dropped\":13,\"queued\":4},\"balance\":0}",
        "{\"of\":\"records delivered\",\"pool\":\"main\",\"output\":\"json-queue\",",
        "\"left\":{\"encoded\":105071298,\"restored\":0},",
        "\"right\":{\"delivered\":105064298,\"lost\":1600,\"in_memory\":400,\"in_spool\":4000,"
        "\"left\":1000},\"balance\":0}",
        "\"lost\":{\"buffer_full\":1500,\"too_large\":0,\"refused\":100,\"closed\":0,"
        "\"spool_full\":0,\"too_old\":0,\"spool_damaged\":0,\"memory\":0}",
        "\"filtered\":[{\"index\":0,\"filter\":\"clip\",\"samples\":400}",
        "\"memory\":{\"parts\":{\"pages\":31457280,",
        "\"used\":37494784,\"peak\":40000000,\"bound\":268435456,\"scrapes_waiting\":3}",
        "\"name\":\"old\",\"gone\":true",
        "\"last_error\":\"nats: no responders for METRICS.<script>",
    };
    AUTO(made) struct made m;
    AUTO(buf) struct buf b = BUF_INIT(ROOM);
    made_init(&m, 12);
    m.view.reload_error = "agent.yaml:7:3: unknown key";
    CHECK_INT(web_status(&m.view, &b), OK);
    CHECK(json_is_valid(b.data));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (!has(&b, parts[i]))
            test_fail(__FILE__, __LINE__, "missing: %s", parts[i]);
}

TEST(each_sum_sees_each_of_its_numbers)
{
    AUTO(made) struct made m;
    made_init(&m, 0);
    struct lane_books *l = &m.lane_books[0];
    struct pool_books *p = &m.pool_books[0];
    _Atomic uint64_t *const numbers[] = {
        &p->scraped,    &p->failed[SCRAPE_CLOSED],
        &p->stale,      &p->ended,
        &p->running,    &p->read,
        &p->passed,     &p->filtered[1],
        &p->refused[0], &l->passed,
        &l->meta,       &l->ended,
        &l->skipped[0], &l->restored,
        &l->delivered,  &l->lost[LOST_CLOSED],
        &l->in_memory,
    };
    uint64_t *const plain[] = {&m.view.registry.due, &m.view.registry.dropped[0],
                               &m.view.registry.queued};
    CHECK_INT(laws_off(&m.view), 0);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        *numbers[i] += 5;
        CHECK_INT(laws_off(&m.view), 5);
        *numbers[i] -= 5;
    }
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        *plain[i] += 5;
        CHECK_INT(laws_off(&m.view), 5);
        *plain[i] -= 5;
    }
    m.pools[0].state.queued += 5;
    CHECK_INT(laws_off(&m.view), 5);
}

static bool has_no_end(const char *name)
{
    static const char *const names[] = {"!doctype", "meta", "link", "input"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Every tag is closed in its turn, but for those that have no end. */
static bool is_html(const char *p)
{
    char open[64][16];
    size_t depth = 0;
    while ((p = strchr(p, '<'))) {
        char name[16] = "";
        bool end = p[1] == '/';
        if (sscanf(p + 1 + end, "%15[a-z0-9!]", name) != 1)
            return false;
        p = strchr(p, '>');
        if (!p)
            return false;
        if (end) {
            if (depth == 0 || strcmp(open[--depth], name) != 0)
                return false;
        } else if (!has_no_end(name)) {
            if (depth == ARRAY_LEN(open))
                return false;
            memcpy(open[depth++], name, sizeof name);
        }
    }
    return depth == 0;
}

TEST(the_page_is_html_and_escapes_what_comes_from_outside)
{
    AUTO(made) struct made m;
    AUTO(buf) struct buf b = BUF_INIT(ROOM);
    made_init(&m, 12);
    m.view.cluster = m.view.instance = m.view.reload_error = m.view.unhealthy = MADE_HOSTILE;
    m.view.config_path = MADE_HOSTILE;
    m.view.healthy = m.view.ready = false;
    CHECK_INT(web_page(&m.view, MADE_HOSTILE, &b), OK);
    CHECK(is_html(b.data));
    CHECK(!has(&b, "<script") && !has(&b, "alert(\""));
    CHECK(has(&b, "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;&amp;"));
    CHECK(has(&b, "Not ready yet") && !has(&b, "hunter2"));
    CHECK(text_is_utf8((struct span){b.data, b.len}));
    CHECK(!has(&b, "src=") && !has(&b, "http:") && !has(&b, "https:"));
}

TEST(the_page_says_what_is_wrong_and_when_all_is_well)
{
    AUTO(made) struct made m;
    AUTO(buf) struct buf b = BUF_INIT(ROOM);
    made_init(&m, 12);
    CHECK_INT(web_page(&m.view, NULL, &b), OK);
    CHECK(has(&b, "Needs a look") && has(&b, "2 of 12 targets are down"));
    CHECK(has(&b, "104,300,200") && has(&b, "256 MiB, scrapes that wait for it: 3"));
    CHECK(!has(&b, "All is well"));

    buf_truncate(&b, 0);
    m.view.targets_len = 1;
    m.view.sources_len = m.view.lanes_len = 0;
    CHECK_INT(web_page(&m.view, NULL, &b), OK);
    CHECK(has(&b, "All is well") && !has(&b, "Needs a look"));
    m.view.targets_len = 12;
}

TEST(targets_in_trouble_come_first_and_can_be_looked_for)
{
    AUTO(made) struct made m;
    AUTO(buf) struct buf b = BUF_INIT(ROOM);
    made_init(&m, 12);
    CHECK_INT(web_page(&m.view, NULL, &b), OK);
    CHECK(strstr(b.data, "shop/search-1/app") < strstr(b.data, "shop/checkout-0/app"));
    CHECK(strstr(b.data, "shop/checkout-4/app") < strstr(b.data, "shop/checkout-0/app"));

    buf_truncate(&b, 0);
    CHECK_INT(web_page(&m.view, "NO ANSWER", &b), OK);
    CHECK(has(&b, "shop/search-1/app") && !has(&b, "shop/checkout-0/app"));
    CHECK(has(&b, "1 of 1 that match"));
}

TEST(a_page_shows_so_many_targets_and_says_how_many_there_are)
{
    AUTO(made) struct made m;
    AUTO(buf) struct buf b = BUF_INIT(ROOM);
    made_init(&m, 250);
    CHECK_INT(web_page(&m.view, NULL, &b), OK);
    CHECK(has(&b, "200 of 250 targets") && has(&b, "shop/search-1/app"));
    CHECK(!has(&b, "shop/search-249/app"));
}

TEST(a_page_without_room_says_so)
{
    AUTO(made) struct made m;
    made_init(&m, 12);
    for (size_t max = 0; max < 4000; max += 97) {
        struct buf b[4] = {BUF_INIT(max), BUF_INIT(max), BUF_INIT(max), BUF_INIT(max)};
        CHECK_INT(web_metrics(&m.view, &b[0]), ERR_LIMIT);
        CHECK_INT(web_targets(&m.view, &b[1]), ERR_LIMIT);
        CHECK_INT(web_status(&m.view, &b[2]), ERR_LIMIT);
        CHECK_INT(web_page(&m.view, NULL, &b[3]), ERR_LIMIT);
        for (size_t i = 0; i < ARRAY_LEN(b); i++)
            buf_done(&b[i]);
    }
}
