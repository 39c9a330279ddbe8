/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"

#include "clock.h"
#include "curl_loop.h"
#include "log.h"
#include "mem.h"
#include "parts.h"

#include <sys/resource.h>

/* A pool may keep thousands of connections: the soft limit is there for programs with select(). */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static enum status override(const struct agent_options *o, struct config *c, struct err *err)
{
    if (!o->log_level)
        return OK;
    for (unsigned i = 0; log_levels[i]; i++) {
        if (strcmp(log_levels[i], o->log_level) == 0) {
            c->agent.log.level = i;
            return OK;
        }
    }
    return err_set(err, ERR_INVALID, "--log-level: '%s' is no level", o->log_level);
}

static enum status start_threads(struct agent *a, const struct config *c, struct err *err)
{
    struct registry_conf conf = {.max_targets = AGENT_MAX_TARGETS,
                                 .first_scrape_now = c->agent.first_scrape == FIRST_NOW};
    enum status s = net_init(err);
    if (s != OK)
        return s;
    a->registry = registry_new(&conf);
    s = registry_start(a->registry, err);
    if (s == OK)
        s = discover_new(&a->discover, registry_emit(a->registry), registry_room_fd(a->registry),
                         err);
    return s;
}

static enum status start_web(struct agent *a, const struct config *c, struct err *err)
{
    a->listen = mem_strdup(a->options.listen ? a->options.listen : c->agent.listen);
    setting_copy(http_server_settings, &a->web_access, &c->agent.web);
    if (a->listen[0] == '\0')
        return OK;
    struct web_conf conf = {.access = &a->web_access,
                            .listen = a->listen,
                            .take = agent_view_take,
                            .release = agent_view_release,
                            .of = a};
    return web_new(&a->web, &conf, err);
}

static bool at_once(void *of)
{
    (void)of;
    return true;
}

enum status agent_new(struct agent **ret, const struct agent_options *options,
                      struct faults *faults, struct err *err)
{
    struct config *c;
    uint64_t hash;
    enum status s = config_load(&c, options->path, &hash, faults);
    if (s != OK)
        return s;
    s = override(options, c, err);
    if (s != OK) {
        config_free(c);
        return s;
    }
    struct agent *a = mem_alloc(sizeof *a);
    a->options = *options;
    a->file_hash = hash;
    a->started_ms = clock_wall_ms();
    a->view_refused = (struct buf)BUF_INIT(1 << 20);
    pthread_mutex_init(&a->lock, NULL);
    raise_descriptors();
    log_configure(c->agent.log.level, c->agent.log.format);
    s = start_threads(a, c, err);
    if (s == OK)
        s = start_web(a, c, err);
    if (s == OK)
        s = agent_apply(a, c, err);
    if (s != OK) {
        web_free(a->web); /* nobody looks any more */
        a->web = NULL;
        if (!a->config)
            a->config = c;
        if (agent_stop(a, at_once, NULL))
            agent_free(a);
        return s;
    }
    *ret = a;
    return OK;
}

const struct agent_conf *agent_conf(const struct agent *a)
{
    return &a->config->agent;
}

bool agent_starts_programs(const struct agent *a)
{
    for (size_t i = 0; i < a->config->sources_len; i++) {
        const struct source_conf *s = &a->config->sources[i];
        if (s->ops->starts_programs && s->ops->starts_programs(s->conf))
            return true;
    }
    return false;
}

const char *agent_url(const struct agent *a)
{
    return a->web ? web_url(a->web) : "";
}

bool agent_file_changed(const struct agent *a)
{
    return config_hash(a->options.path) != a->file_hash;
}

static void note_reload(struct agent *a, const char *error)
{
    pthread_mutex_lock(&a->lock);
    a->reloads += error == NULL;
    a->reloads_failed += error != NULL;
    mem_free(a->reload_error);
    a->reload_error = mem_strdup(error);
    pthread_mutex_unlock(&a->lock);
}

static void refuse_reload(struct agent *a, const struct faults *faults, const struct err *err)
{
    AUTO(buf) struct buf text = BUF_INIT(4096);
    if (faults->len > 0)
        (void)!buf_printf(&text, "%s:%u:%u: %s", a->options.path, faults->items[0].line,
                          faults->items[0].column, faults->items[0].text);
    else
        (void)!buf_puts(&text, err->text);
    log_error("reload refused, the old configuration goes on", LOG_S("why", text.data),
              LOG_I("faults", faults->len + faults->more));
    note_reload(a, text.data);
}

void agent_reload(struct agent *a)
{
    struct config *c;
    struct faults faults = {0};
    struct err err = {.status = OK};
    enum status s = config_load(&c, a->options.path, &a->file_hash, &faults);
    if (s == OK) {
        s = override(&a->options, c, &err);
        if (s == OK)
            s = agent_apply(a, c, &err);
        if (s != OK)
            config_free(c);
    }
    if (s == OK) {
        log_info("reloaded", LOG_S("config", a->options.path), LOG_I("sources", c->sources_len),
                 LOG_I("pools", c->pools_len));
        if (!a->options.listen && strcmp(a->listen, c->agent.listen) != 0)
            log_warn("agent.listen is read at start only", LOG_S("listen", a->listen));
        note_reload(a, NULL);
    } else {
        refuse_reload(a, &faults, &err);
    }
    faults_done(&faults);
}

struct agent_account agent_account(struct agent *a)
{
    struct agent_account t = {0};
    struct registry_books r = registry_books(a->registry);
    uint64_t stale = 0, ended = 0, passed = 0, in = 0, restored = 0, waiting = 0, queued = 0;
    for (struct pool_ledger *l = a->pool_ledgers; l; l = l->next) {
        const struct pool_books *b = &l->books;
        t.scrapes += b->scraped;
        for (size_t i = 0; i < SCRAPE_FAILURES; i++)
            t.failures += b->failed[i];
        stale += b->stale;
        ended += b->ended;
        queued += b->running;
        t.samples += b->read;
        passed += b->passed;
        for (size_t i = 0; i < BOOKS_FILTERS; i++)
            t.filtered += b->filtered[i];
        for (size_t i = 0; i < BOOKS_REFUSALS; i++)
            t.refused += b->refused[i];
    }
    for (struct lane_ledger *l = a->lane_ledgers; l; l = l->next) {
        const struct lane_books *b = &l->books;
        in += b->passed + b->meta + b->ended;
        t.encoded += b->encoded;
        t.delivered += b->delivered;
        restored += b->restored;
        waiting += b->in_memory + b->in_spool + b->left;
        t.left += b->in_spool + b->left;
        for (size_t i = 0; i < ENCODER_SKIPS; i++)
            t.skipped += b->skipped[i];
        for (size_t i = 0; i < LANE_LOSSES; i++)
            t.lost += b->lost[i];
    }
    uint64_t dropped = 0;
    for (size_t i = 0; i < REGISTRY_DROPS; i++)
        dropped += r.dropped[i];
    t.jobs_balance =
        (int64_t)(r.due - t.scrapes - t.failures - stale - ended - dropped - r.queued - queued);
    t.samples_balance = (int64_t)(t.samples - passed - t.filtered - t.refused);
    t.records_balance = (int64_t)(in - t.encoded - t.skipped) +
                        (int64_t)(t.encoded + restored - t.delivered - t.lost - waiting);
    return t;
}

static void free_ledgers(struct agent *a)
{
    for (struct pool_ledger *l = a->pool_ledgers, *next; l; l = next) {
        next = l->next;
        mem_free(l->pool);
        mem_free(l);
    }
    for (struct lane_ledger *l = a->lane_ledgers, *next; l; l = next) {
        next = l->next;
        mem_free(l->pool);
        mem_free(l->output);
        mem_free(l->sink);
        mem_free(l);
    }
}

void agent_free(struct agent *a)
{
    if (!a)
        return;
    registry_free(a->registry);
    config_free(a->config);
    free_ledgers(a);
    buf_done(&a->view_refused);
    left_files_free(a->left);
    mem_free(a->reload_error);
    mem_free(a->listen);
    setting_done(http_server_settings, &a->web_access);
    pthread_mutex_destroy(&a->lock);
    mem_free(a);
}
