/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_scrape.c - strata-agent scrape URL: one scrape, as the agent would do it, to standard output.
 *
 * With a configuration the filters and limits of a pool are used, the encoder of its first
 * output, and credentials and labels of the first source that feeds it.  */
#include "clock.h"
#include "commands.h"
#include "config.h"
#include "curl_loop.h"
#include "fetch.h"
#include "mem.h"
#include "page.h"

#include <getopt.h>
#include <inttypes.h>

enum { MESSAGE_BYTES = 64 << 20 };

struct once {
    struct config *config;         /* NULL: none given */
    const struct pool_entry *pool; /* likewise */
    struct pipeline pipeline;
    struct pool_books books;
    struct encoder_step encoder;
    struct relabel *relabel; /* NULL: no rules */
    struct http *http;
    struct target *target;
    struct page_limits limits;
    size_t max_body;
    bool done, failed;
};

static int usage(int code)
{
    fputs("usage: strata-agent scrape URL [-c FILE [--pool NAME]]\n"
          "\n"
          "Scrapes URL once and prints what the agent would deliver; faults go to stderr.\n"
          "\n"
          "  -c, --config FILE    use a pool of this configuration: its limits, filters, its\n"
          "                       first output's encoder, its first source's http and labels\n"
          "  --pool NAME          which pool; by default the first\n"
          "\n"
          "Exit codes: 0 scraped, 1 the scrape failed, 2 usage, 78 configuration.\n",
          code == EXIT_FINE ? stdout : stderr);
    return code;
}

static const struct pool_entry *find_pool(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->pools_len; i++)
        if (!name || strcmp(c->pools[i].conf.name, name) == 0)
            return &c->pools[i];
    return NULL;
}

static const struct source_conf *find_source(const struct once *o)
{
    for (size_t i = 0; o->pool && i < o->config->sources_len; i++)
        if (strcmp(o->config->sources[i].common.pool, o->pool->conf.name) == 0)
            return &o->config->sources[i];
    return NULL;
}

/* The encoder of the pool's first output, else json as it is by default. */
static enum status open_encoder(struct once *o, struct err *err)
{
    const struct output_conf *out = o->pool && o->pool->outputs_len ? o->pool->outputs : NULL;
    o->encoder.ops = out ? out->encoder : encoder_find("json");
    o->encoder.max_samples = SIZE_MAX;
    if (out)
        return o->encoder.ops->open(&o->encoder.self, out->encoder_conf, err);
    void *conf = mem_alloc(o->encoder.ops->conf_size);
    setting_defaults(o->encoder.ops->settings, conf);
    enum status s = o->encoder.ops->open(&o->encoder.self, conf, err);
    setting_done(o->encoder.ops->settings, conf);
    mem_free(conf);
    return s;
}

static enum status open_filters(struct once *o, struct err *err)
{
    const struct filter_ops *ops[FILTER_STEPS] = {NULL};
    void *confs[FILTER_STEPS] = {NULL};
    size_t n = o->pool ? o->pool->filters_len : 0;
    for (size_t i = 0; i < n; i++) {
        ops[i] = o->pool->filters[i].ops;
        confs[i] = o->pool->filters[i].conf;
    }
    const struct group_list none = {NULL, 0};
    const struct group_list *rules = o->pool ? &o->pool->conf.metric_relabel : &none;
    enum status s = rules->len > 0 ? relabel_new(&o->relabel, rules->items, rules->len, err) : OK;
    return s == OK ? pipeline_init(&o->pipeline, ops, confs, n, NULL, 0, &o->books, err) : s;
}

/* Those that a source's own settings give to all of its targets, if its kind has such. */
static const struct text_map *own_labels(const struct source_conf *s)
{
    static const struct text_map none;
    const struct setting *labels = s ? setting_find(s->ops->settings, "labels") : NULL;
    if (!labels || labels->type != SETTING_T_MAP)
        return &none;
    return (const void *)((const char *)s->conf + labels->offset);
}

static enum status make_target(struct once *o, const char *url, struct err *err)
{
    const struct source_conf *source = find_source(o);
    struct source_common common = {.name = NULL};
    struct text_map none = {NULL, 0};
    setting_defaults(source_settings, &common);
    if (source) {
        setting_done(source_settings, &common);
        setting_copy(source_settings, &common, &source->common);
    } else {
        mem_free(common.name);
        mem_free(common.pool);
        common.name = mem_strdup("scrape");
        common.pool = mem_strdup("scrape");
    }
    struct source_env env = {.common = &common,
                             .agent = {.instance = "", .cluster = "", .labels = &none}};
    if (o->config)
        env.agent = (struct source_agent){.instance = o->config->agent.instance,
                                          .cluster = o->config->agent.cluster,
                                          .labels = &o->config->agent.labels};
    enum status s = http_new(&o->http, &common.http, err);
    env.http = o->http;
    if (s == OK)
        s = source_target(&env, url, own_labels(source), &o->target, err);
    setting_done(source_settings, &common);
    return s;
}

static void report(const struct page_faults *f, size_t scraped, size_t passed)
{
    if (f->strict) {
        fprintf(stderr, "the page is refused: %s\n", f->first_bad.text);
        return;
    }
    fprintf(stderr, "%zu samples, %zu after filters", scraped, passed);
    if (f->refused > 0)
        fprintf(stderr, ", %" PRIu64 " refused, the first: %s", f->refused, f->first_refused.text);
    if (f->lines_bad > 0)
        fprintf(stderr, ", %" PRIu64 " bad lines, the first: %s", f->lines_bad, f->first_bad.text);
    if (f->flaws > 0)
        fprintf(stderr, ", %" PRIu64 " flaws, the first: %s", f->flaws, f->first_flaw.text);
    fputc('\n', stderr);
}

/* Encodes b and prints it; false: standard output takes no more. */
static bool print(const struct once *o, const struct batch *b)
{
    AUTO_PTR(payload) struct payload *p = payload_new(o->target->id, MESSAGE_BYTES);
    AUTO(buf) struct buf raw = BUF_INIT(MESSAGE_BYTES);
    struct encoder_counts counts = {0};
    size_t from = 0;
    while (encoder_run(&o->encoder, b, &from, p, &raw, &counts) > 0) {
        if (fwrite(p->body.data, 1, p->body.len, stdout) < p->body.len)
            return false;
        buf_truncate(&p->body, 0);
    }
    return fflush(stdout) == 0;
}

static void take(void *of, void *user, const struct fetch_result *f)
{
    struct once *o = of;
    int64_t start_ms = clock_wall_ms() - f->duration_ns / MS_NS;
    (void)user;
    o->done = true;
    o->failed = !f->ok;
    if (!f->ok) {
        fprintf(stderr, "%s: %s: %s\n", o->target->url, scrape_failure_name(f->why), f->err.text);
        return;
    }
    AUTO(batch) struct batch batch = {0};
    struct page_faults faults;
    struct page *page = page_new(o->target, &o->limits, 1);
    const uint32_t lane = 0;
    page_bind(page, &(struct page_plan){.generation = 1,
                                        .lane_ids = &lane,
                                        .lanes_len = 1,
                                        .relabel = o->relabel,
                                        .relabel_hash = o->relabel != NULL});
    enum pool_mode of_pool = o->pool ? (enum pool_mode)o->pool->conf.mode : POOL_AUTO;
    struct page_manner manner = pool_manner(
        pool_mode_of(o->target, of_pool),
        o->pool ? (enum page_format)o->pool->conf.fallback : FORMAT_TEXT, f->content_type);
    manner.may_be_cut = !f->tells_end;
    page_set_manner(page, &manner);
    page_read(page, f->body, start_ms, &batch, &faults);
    size_t scraped = batch.len + (size_t)faults.filtered;
    size_t passed = pipeline_filter(&o->pipeline, &batch);
    struct page_meta meta = {.up = true,
                             .duration_seconds = (double)f->duration_ns / (double)SEC_NS,
                             .samples_scraped = scraped + faults.refused,
                             .samples_post_filter = passed,
                             .series_added = faults.added,
                             .body_bytes = f->body.len};
    page_add_meta(page, &meta, &batch);
    o->failed = !print(o, &batch) || (scraped == 0 && faults.lines_bad > 0);
    report(&faults, scraped, passed);
    page_free(page);
}

static enum status scrape(struct once *o, struct err *err)
{
    struct fetcher_conf conf = {
        .max_connections = 1,
        .accept =
            pool_accept(o->pool ? (enum page_format)o->pool->conf.accept : FORMAT_OPENMETRICS),
        .done = take,
        .of = o};
    struct fetcher *f;
    enum status s = net_init(err);
    if (s == OK)
        s = fetcher_new(&f, &conf, err);
    if (s != OK)
        return s;
    struct fetch_request q = {.target = o->target, .max_body = o->max_body};
    fetch_start(f, &q);
    while (!o->done)
        curl_loop_wait(fetcher_loop(f), clock_mono_ns() + SEC_NS);
    fetcher_free(f);
    return OK;
}

static enum status load(struct once *o, const char *path, const char *pool, struct err *err)
{
    struct faults faults = {0};
    o->limits = PAGE_LIMITS_DEFAULT;
    o->max_body = 16 << 20;
    if (!path)
        return OK;
    if (config_load(&o->config, path, NULL, &faults) != OK) {
        AUTO(buf) struct buf text = BUF_INIT(1 << 20);
        faults_print(&faults, path, &text);
        fputs(text.data, stderr);
        faults_done(&faults);
        return err_set(err, ERR_INVALID, "the configuration has faults");
    }
    o->pool = find_pool(o->config, pool);
    if (!o->pool)
        return err_set(err, ERR_INVALID, "no pool '%s' in %s", pool ? pool : "", path);
    o->limits = pool_page_limits(&o->pool->conf.limits);
    o->max_body = (size_t)o->pool->conf.limits.body;
    return OK;
}

static int run(const char *url, const char *path, const char *pool)
{
    struct once o = {.config = NULL};
    struct err err = {.status = OK};
    enum status s = load(&o, path, pool, &err);
    int code = s == OK ? EXIT_FINE : EXIT_CONFIG;
    if (s == OK)
        s = open_filters(&o, &err);
    if (s == OK)
        s = open_encoder(&o, &err);
    if (s == OK)
        s = make_target(&o, url, &err);
    if (s == OK)
        s = scrape(&o, &err);
    if (s != OK) {
        fprintf(stderr, "strata-agent scrape: %s\n", err.text);
        code = code != EXIT_FINE ? code : EXIT_FAILED;
    } else if (o.failed) {
        code = EXIT_FAILED;
    }
    pipeline_done(&o.pipeline);
    relabel_free(o.relabel);
    if (o.encoder.self)
        o.encoder.ops->close(o.encoder.self);
    target_unref(o.target);
    http_unref(o.http);
    config_free(o.config);
    return code;
}

int cmd_scrape(int argc, char **argv)
{
    static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
                                                 {"pool", required_argument, NULL, 'p'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    const char *path = NULL, *pool = NULL;
    int o;
    while ((o = getopt_long(argc, argv, "c:h", long_options, NULL)) >= 0) {
        switch (o) {
        case 'c': path = optarg; break;
        case 'p': pool = optarg; break;
        case 'h': return usage(EXIT_FINE);
        default: return usage(EXIT_USAGE);
        }
    }
    if (optind + 1 != argc || (pool && !path))
        return usage(EXIT_USAGE);
    return run(argv[optind], path, pool);
}
