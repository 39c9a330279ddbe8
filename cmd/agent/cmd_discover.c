/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_discover.c - the sources as they are when the agent runs, and a registry that no pool is put
 * into: so the same code decides who is scraped, and nobody is. */
#include "cmd_discover.h"

#include "agent.h"
#include "candidates.h"
#include "clock.h"
#include "cmd_config.h"
#include "commands.h"
#include "curl_loop.h"
#include "health.h"
#include "log.h"
#include "mem.h"

#include <poll.h>

#define ANSWER_NS (10 * SEC_NS)
enum { LOOK_MS = 20, OUT_BYTES = 64 << 20 };

struct look {
    const struct discover_options *o;
    struct registry *registry;
    struct discover *discover;
    struct source_state *states;
    size_t len;
    struct discover_candidates *list;
    struct registry_other *others;
    size_t others_len;
    size_t synced, failed, counts[CANDIDATE_STATES];
};

/* Looking. */

static void take_changes(struct look *l)
{
    uint64_t before;
    do {
        before = registry_books(l->registry).changes;
        registry_step(l->registry);
    } while (registry_books(l->registry).changes != before);
}

static bool has_failed(const struct source_state *s)
{
    return s->last_error.status != OK;
}

static bool all_are_done(struct look *l)
{
    discover_states(l->discover, l->states, l->len);
    for (size_t i = 0; i < l->len; i++)
        if (!l->states[i].synced && !has_failed(&l->states[i]))
            return false;
    return true;
}

/* The list is made after what failed was noted, and what was found was handed on. */
static enum status look(struct look *l, struct err *err)
{
    int64_t until_ns = clock_mono_ns() + l->o->timeout;
    bool done = false;
    while (!done && clock_mono_ns() < until_ns) {
        poll(NULL, 0, LOOK_MS);
        take_changes(l);
        done = all_are_done(l);
    }
    enum status s = discover_candidates(l->discover, clock_mono_ns() + ANSWER_NS, &l->list, err);
    if (s != OK)
        return s;
    take_changes(l);
    l->others_len = registry_others(l->registry, &l->others);
    discover_states(l->discover, l->states, l->len);
    for (size_t i = 0; i < l->len; i++) {
        bool failed = has_failed(&l->states[i]) || !l->states[i].synced;
        l->synced += !failed;
        l->failed += failed;
    }
    return OK;
}

static enum status start(struct look *l, const struct config *c, struct err *err)
{
    struct registry_conf conf = {.max_targets = AGENT_MAX_TARGETS};
    struct source_agent who = {.instance = c->agent.instance,
                               .cluster = c->agent.cluster,
                               .labels = &c->agent.labels,
                               .looks = true};
    log_configure(LOG_ERROR, LOG_LOGFMT); /* a source's fault is shown with it */
    enum status s = net_init(err);
    if (s != OK)
        return s;
    l->len = c->sources_len;
    l->states = mem_alloc((l->len + 1) * sizeof *l->states);
    l->registry = registry_new(&conf);
    s = discover_new(&l->discover, registry_emit(l->registry), registry_room_fd(l->registry), err);
    return s == OK ? discover_set(l->discover, c->sources, c->sources_len, &who, err) : s;
}

static void finish(struct look *l)
{
    discover_candidates_unref(l->list);
    registry_others_free(l->others, l->others_len);
    discover_free(l->discover);
    registry_free(l->registry);
    mem_free(l->states);
}

/* Printing. */

static const char *error_of(const struct source_state *s)
{
    if (has_failed(s))
        return s->last_error.text;
    return s->synced ? NULL : "it has not synced in time";
}

/* What comes from outside moves no cursor. */
static enum status put_line(struct buf *out, struct buf *line)
{
    for (size_t i = 0; i < line->len; i++)
        if ((unsigned char)line->data[i] < ' ' || line->data[i] == 0x7f)
            line->data[i] = '?';
    return buf_cat(out, line->data, "\n", NULL);
}

static enum status print_candidate(const struct discover_candidate *c,
                                   const struct candidate_shown *shown, struct buf *out)
{
    AUTO(buf) struct buf line = BUF_INIT(65536);
    AUTO(buf) struct buf id = BUF_INIT(HEALTH_URL_MAX);
    AUTO(buf) struct buf url = BUF_INIT(HEALTH_URL_MAX);
    enum status s =
        buf_printf(&line, "  %-8s %s", candidate_state_name(shown->state), health_url(c->id, &id));
    if (s == OK && c->url && strcmp(c->url, c->id) != 0)
        s = buf_cat(&line, "  ", health_url(c->url, &url), NULL);
    if (s == OK && shown->why)
        s = buf_cat(&line, ": ", shown->why, NULL);
    if (s == OK && shown->winner)
        s = buf_cat(&line, " (source ", shown->winner->source, ", ",
                    health_url(shown->winner->id, &id), ")", NULL);
    return s == OK ? put_line(out, &line) : s;
}

static enum status print_source(struct look *l, const struct source_state *state, struct buf *out)
{
    const char *error = error_of(state);
    enum status s = buf_cat(out, "source ", state->name, " (", state->kind, ", pool ", state->pool,
                            "): ", error ? "failed: " : "synced", NULL);
    AUTO(buf) struct buf line = BUF_INIT(1024);
    if (s == OK && error)
        s = buf_puts(&line, error);
    if (s == OK)
        s = put_line(out, &line);
    for (size_t i = 0; i < l->list->len && s == OK; i++) {
        const struct discover_candidate *c = &l->list->all[i];
        if (c->source != state->number)
            continue;
        struct candidate_shown shown = candidate_shown(c, l->others, l->others_len);
        l->counts[shown.state]++;
        s = print_candidate(c, &shown, out);
    }
    return s == OK ? buf_puts(out, "\n") : s;
}

static enum status print_text(struct look *l, struct buf *out)
{
    enum status s = OK;
    for (size_t i = 0; i < l->len && s == OK; i++)
        s = print_source(l, &l->states[i], out);
    if (s == OK)
        s = buf_printf(
            out,
            "%zu sources: %zu synced, %zu failed; %zu candidates: %zu targets, %zu losers, "
            "%zu refused, %zu waiting",
            l->len, l->synced, l->failed, l->list->len + l->list->left_out,
            l->counts[CANDIDATE_TARGET], l->counts[CANDIDATE_LOSER], l->counts[CANDIDATE_REFUSED],
            l->counts[CANDIDATE_WAITING]);
    if (s == OK && l->list->left_out > 0)
        s = buf_printf(out, ", %zu not shown", l->list->left_out);
    return s == OK ? buf_puts(out, "\n") : s;
}

static enum status print_json(const struct look *l, struct buf *out)
{
    struct json_out j = JSON_OUT(out);
    json_out_open(&j, NULL, '{');
    json_out_open(&j, "sources", '[');
    for (size_t i = 0; i < l->len; i++) {
        json_out_open(&j, NULL, '{');
        json_out_string(&j, "name", l->states[i].name);
        json_out_string(&j, "kind", l->states[i].kind);
        json_out_string(&j, "pool", l->states[i].pool);
        json_out_bool(&j, "synced", l->states[i].synced);
        json_out_string(&j, "error", error_of(&l->states[i]));
        json_out_close(&j, '}');
    }
    json_out_close(&j, ']');
    candidates_write(&j, l->list, l->others, l->others_len);
    json_out_close(&j, '}');
    return j.status == OK ? buf_puts(out, "\n") : j.status;
}

int cmd_discover(const struct config *c, const struct discover_options *o)
{
    struct look l = {.o = o};
    struct err err = {.status = OK};
    AUTO(buf) struct buf out = BUF_INIT(OUT_BYTES);
    enum status s = start(&l, c, &err);
    if (s == OK)
        s = look(&l, &err);
    if (s == OK && (o->json ? print_json(&l, &out) : print_text(&l, &out)) != OK)
        s = err_set(&err, ERR_LIMIT, "too much was found to be shown");
    bool fine = s == OK && cmd_print(&out) && l.failed == 0;
    if (s != OK)
        fprintf(stderr, "%s: %s\n", o->path, err.text);
    finish(&l);
    return fine ? EXIT_FINE : EXIT_FAILED;
}
