/* SPDX-License-Identifier: Apache-2.0 */
/* web_page.c - GET /: one page for people, without scripts and without anything from outside.
 *
 * First what is wrong, then the books, then the parts; targets in trouble come before the
 * others.  */
#include "web.h"

#include "clock.h"
#include "health.h"
#include "html_out.h"
#include "laws.h"

#define TARGETS_SHOWN 200

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
    "<link rel=\"icon\" href=\"data:,\"><title>Strata agent</title><style>"
    ":root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1d2530;--dim:#5d6876;"
    "--line:#dfe3e8;--ok:#18794e;--okbg:#ddf3e4;--bad:#b42318;--badbg:#fde7e5;--warn:#8a5a00;"
    "--warnbg:#fdf0d5;--link:#1659b8}"
    "@media(prefers-color-scheme:dark){:root{--bg:#12161b;--card:#1b2128;--ink:#e4e9ef;"
    "--dim:#9aa6b4;--line:#303943;--ok:#6fd6a0;--okbg:#173527;--bad:#ff9a8f;--badbg:#431c19;"
    "--warn:#f1c46b;--warnbg:#3a2c10;--link:#86b6ff}}"
    "*{box-sizing:border-box}body{margin:0 "
    "auto;padding:1.2rem;max-width:76rem;background:var(--bg);"
    "color:var(--ink);font:15px/1.45 system-ui,sans-serif}"
    "h1{font-size:1.35rem;margin:0}h2{font-size:1rem;margin:1.8rem 0 .5rem}a{color:var(--link)}"
    ".dim,small,th{color:var(--dim)}header{display:flex;flex-wrap:wrap;gap:.4rem 1rem;"
    "align-items:baseline}nav{margin-left:auto;display:flex;gap:.9rem}"
    ".b{padding:.05rem .5rem;border-radius:1rem;white-space:nowrap;font-size:.85em}"
    ".ok{color:var(--ok);background:var(--okbg)}.bad{color:var(--bad);background:var(--badbg)}"
    ".warn{color:var(--warn);background:var(--warnbg)}"
    ".say{margin:1rem 0;padding:.7rem 1rem;border-radius:.5rem;overflow-wrap:anywhere}"
    ".say ul{margin:.2rem 0 0;padding-left:1.2rem}"
    ".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.7rem}"
    ".card,.t{background:var(--card);border:1px solid var(--line);border-radius:.5rem}"
    ".card{padding:.6rem .9rem}.card b{display:block;font-size:1.3rem;font-weight:600;"
    "font-variant-numeric:tabular-nums}.t{overflow-x:auto}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .8rem;"
    "border-top:1px solid var(--line);vertical-align:top}tr:first-child>th{border-top:0}"
    "th{font-weight:500;font-size:.85em;white-space:nowrap}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "td.w{min-width:16rem;overflow-wrap:anywhere}td "
    "small{display:block}td:first-child{min-width:6rem}"
    ".sum span{white-space:nowrap;margin-right:.9rem;font-variant-numeric:tabular-nums}"
    "form{margin:0 0 .6rem}input{font:inherit;padding:.15rem .5rem;border-radius:.3rem;"
    "border:1px solid var(--line);background:var(--card);color:inherit;max-width:100%}"
    "</style></head><body>";

static void badge(struct html_out *h, const char *kind, const char *text)
{
    html_out_raw(h, "<span class=\"b ");
    html_out_raw(h, kind);
    html_out_raw(h, "\">");
    html_out_text(h, text);
    html_out_raw(h, "</span>");
}

static void cell(struct html_out *h, const char *text)
{
    html_out_raw(h, "<td>");
    html_out_text(h, text);
    html_out_raw(h, "</td>");
}

static void count_cell(struct html_out *h, uint64_t n)
{
    html_out_raw(h, "<td class=\"n\">");
    html_out_count(h, n);
    html_out_raw(h, "</td>");
}

/* Names that begin with '#' head columns of numbers. */
static void table(struct html_out *h, const char *title, const char *const *names)
{
    html_out_raw(h, title);
    html_out_raw(h, "<div class=\"t\"><table><tr>");
    for (; *names; names++) {
        bool number = **names == '#';
        html_out_raw(h, number ? "<th class=\"n\">" : "<th>");
        html_out_raw(h, *names + number);
        html_out_raw(h, "</th>");
    }
    html_out_raw(h, "</tr>");
}

static void table_end(struct html_out *h)
{
    html_out_raw(h, "</table></div>\n");
}

static void write_header(struct html_out *h, const struct view *v)
{
    html_out_raw(h, head);
    html_out_raw(h, "<header><h1>Strata agent</h1><span>");
    html_out_text(h, v->instance);
    if (v->cluster && *v->cluster) {
        html_out_raw(h, " in ");
        html_out_text(h, v->cluster);
    }
    html_out_raw(h, "</span><span class=\"dim\">");
    html_out_text(h, v->version);
    html_out_raw(h, ", started ");
    html_out_ago(h, v->started_ms);
    html_out_raw(h, "</span><nav><a href=\"/targets\">targets</a><a href=\"/status\">status</a>"
                    "<a href=\"/metrics\">metrics</a><a href=\"/readyz\">ready</a>"
                    "<a href=\"/healthz\">health</a></nav></header>\n");
}

/* "what who: why" in the list of troubles, which it begins. */
static void trouble(struct html_out *h, size_t *n, const char *what, const char *who,
                    const char *why)
{
    html_out_raw(h, (*n)++ == 0 ? "<div class=\"say bad\"><b>Needs a look</b><ul><li>" : "<li>");
    html_out_text(h, what);
    if (who) {
        html_out_raw(h, " <b>");
        html_out_text(h, who);
        html_out_raw(h, "</b>");
    }
    if (why) {
        html_out_raw(h, ": ");
        html_out_text(h, why);
    }
    html_out_raw(h, "</li>");
}

static size_t count_health(const struct view *v, enum target_health health)
{
    size_t n = 0;
    for (size_t i = 0; i < v->targets_len; i++)
        n += target_state_shown(v->targets[i].state).health == health;
    return n;
}

static uint64_t lost(const struct lane_books *b)
{
    uint64_t n = 0;
    for (size_t i = 0; i < LANE_LOSSES; i++)
        n += b->lost[i];
    return n;
}

static void write_troubles(struct html_out *h, const struct view *v)
{
    size_t n = 0;
    if (!v->healthy)
        trouble(h, &n, "A thread does not beat", v->unhealthy, NULL);
    if (v->reload_error)
        trouble(h, &n, "The configuration was refused, the old one stays", NULL, v->reload_error);
    for (size_t i = 0; i < v->sources_len; i++)
        if (v->sources[i].last_error.status != OK)
            trouble(h, &n, "Source", v->sources[i].name, v->sources[i].last_error.text);
    for (size_t i = 0; i < v->lanes_len; i++)
        if (v->lanes[i].state.failing)
            trouble(h, &n, "Output", v->lanes[i].output, v->lanes[i].state.last_error.text);
    size_t down = count_health(v, TARGET_DOWN);
    if (down > 0) {
        char text[64];
        snprintf(text, sizeof text, "%zu of %zu targets are down", down, v->targets_len);
        trouble(h, &n, text, NULL, NULL);
    }
    if (n > 0)
        html_out_raw(h, "</ul></div>\n");
    else if (v->ready)
        html_out_raw(h, "<div class=\"say ok\"><b>All is well.</b> Every source has synced, every "
                        "target answers, every output delivers.</div>\n");
    if (!v->ready)
        html_out_raw(h, "<div class=\"say warn\"><b>Not ready yet.</b> Not every source has "
                        "synced.</div>\n");
}

static void card(struct html_out *h, const char *name, uint64_t n)
{
    html_out_raw(h, "<div class=\"card\"><span class=\"dim\">");
    html_out_raw(h, name);
    html_out_raw(h, "</span><b>");
    html_out_count(h, n);
    html_out_raw(h, "</b><small>");
}

static void write_cards(struct html_out *h, const struct view *v)
{
    uint64_t read = 0, delivered = 0, away = 0, waiting = 0;
    for (size_t i = 0; i < v->pools_len; i++)
        read += v->pools[i].books->read;
    for (size_t i = 0; i < v->lanes_len; i++) {
        delivered += v->lanes[i].books->delivered;
        waiting += v->lanes[i].books->in_memory;
        away += lost(v->lanes[i].books);
    }
    html_out_raw(h, "<div class=\"cards\">");
    card(h, "Targets up", count_health(v, TARGET_UP));
    html_out_raw(h, "of ");
    html_out_count(h, v->targets_len);
    html_out_raw(h, "</small></div>");
    card(h, "Samples read", read);
    html_out_raw(h, "from good pages</small></div>");
    card(h, "Records delivered", delivered);
    html_out_count(h, waiting);
    html_out_raw(h, " on their way</small></div>");
    card(h, "Records lost", away);
    html_out_raw(h, "by reason under Outputs</small></div>"
                    "<div class=\"card\"><span class=\"dim\">Memory</span><b>");
    html_out_bytes(h, v->memory_used);
    html_out_raw(h, "</b><small>of ");
    html_out_bytes(h, v->memory_bound);
    if (v->memory_waiting > 0) {
        html_out_raw(h, ", scrapes that wait for it: ");
        html_out_count(h, v->memory_waiting);
    }
    html_out_raw(h, "</small></div>");
    card(h, "Books are off by", laws_off(v));
    html_out_raw(h, "0 is <a href=\"#books\">balanced</a></small></div></div>\n");
}

static void write_terms(struct html_out *h, const struct law_term *terms)
{
    html_out_raw(h, "<td class=\"sum\">");
    for (size_t i = 0; terms[i].name; i++) {
        html_out_raw(h, i > 0 ? " <span>+ " : "<span>");
        html_out_text(h, strcmp(terms[i].name, "in_memory") == 0 ? "in memory" : terms[i].name);
        html_out_raw(h, " <b>");
        html_out_count(h, terms[i].value);
        html_out_raw(h, "</b></span>");
    }
    html_out_raw(h, "</td>");
}

static void write_books(struct html_out *h, const struct view *v)
{
    static const char *const names[] = {"", "of", "in", "", "out", NULL};
    struct law law;
    table(h, "<h2 id=\"books\">Books</h2>", names);
    for (size_t i = 0; laws_get(v, i, &law); i++) {
        html_out_raw(h, "<tr><td>");
        if (law.balance == 0) {
            badge(h, "ok", "balanced");
        } else {
            char off[32];
            snprintf(off, sizeof off, "off by %lld", (long long)law.balance);
            badge(h, "warn", off);
        }
        html_out_raw(h, "</td><td>");
        html_out_text(h, law.name);
        if (law.pool) {
            html_out_raw(h, "<small>");
            html_out_text(h, law.pool);
            if (law.output) {
                html_out_raw(h, " / ");
                html_out_text(h, law.output);
            }
            html_out_raw(h, "</small>");
        }
        html_out_raw(h, "</td>");
        write_terms(h, law.left);
        html_out_raw(h, "<td>=</td>");
        write_terms(h, law.right);
        html_out_raw(h, "</tr>");
    }
    table_end(h);
    html_out_raw(h, "<p class=\"dim\">Numbers are read while threads count on: a sum that is off "
                    "must balance again when you reload this page.</p>\n");
}

static void write_pools(struct html_out *h, const struct view *v)
{
    static const char *const names[] = {"Pool",       "#scraped", "#failed",       "#running",
                                        "#queued",    "#read",    "#filtered",     "#refused",
                                        "#bad lines", "#series",  "#scrape takes", NULL};
    table(h, "<h2>Pools</h2>", names);
    for (size_t i = 0; i < v->pools_len; i++) {
        const struct view_pool *p = &v->pools[i];
        const struct pool_books *b = p->books;
        uint64_t failed = 0, filtered = 0, refused = 0, scrapes = 0;
        for (size_t k = 0; k < SCRAPE_FAILURES; k++)
            failed += b->failed[k];
        for (size_t k = 0; k < BOOKS_FILTERS; k++)
            filtered += b->filtered[k];
        for (size_t k = 0; k < BOOKS_REFUSALS; k++)
            refused += b->refused[k];
        for (size_t k = 0; k < BOOKS_BUCKETS; k++)
            scrapes += b->seconds[k];
        html_out_raw(h, "<tr><td>");
        html_out_text(h, p->name);
        html_out_raw(h, p->gone ? "<small>of an earlier configuration</small></td>" : "</td>");
        const uint64_t counts[] = {b->scraped, failed,  b->running,   p->state.queued, b->read,
                                   filtered,   refused, b->lines_bad, b->series};
        for (size_t k = 0; k < ARRAY_LEN(counts); k++)
            count_cell(h, counts[k]);
        html_out_raw(h, "<td class=\"n\">");
        html_out_span(h, scrapes > 0 ? (int64_t)(b->seconds_sum_ns / scrapes) : 0);
        html_out_raw(h, "</td></tr>");
    }
    table_end(h);
}

static void write_lane_state(struct html_out *h, const struct view_lane *l)
{
    html_out_raw(h, "<td class=\"w\">");
    if (l->gone)
        badge(h, "warn", "gone");
    else if (l->state.failing)
        badge(h, "bad", "failing");
    else
        badge(h, "ok", l->connected ? "connected" : "fine");
    html_out_raw(h, "<small>delivered ");
    html_out_ago(h, l->state.last_delivered_ms);
    html_out_raw(h, "</small>");
    if (l->state.last_error.status != OK) {
        html_out_raw(h, "<small>");
        html_out_text(h, l->state.last_error.text);
        html_out_raw(h, "</small>");
    }
    if (l->state.spool.there) {
        html_out_raw(h, "<small>");
        html_out_count(h, l->books->in_spool);
        html_out_raw(h, " on disk ");
        html_out_text(h, l->state.spool.error.status == OK ? "" : l->state.spool.error.text);
        html_out_raw(h, "</small>");
    }
    html_out_raw(h, "</td>");
}

static void write_lost(struct html_out *h, const struct lane_books *b)
{
    html_out_raw(h, "<td class=\"n\">");
    html_out_count(h, lost(b));
    for (size_t i = 0; i < LANE_LOSSES; i++) {
        if (b->lost[i] == 0)
            continue;
        html_out_raw(h, "<small>");
        html_out_text(h, lane_loss_name((enum lane_loss)i));
        html_out_raw(h, " ");
        html_out_count(h, b->lost[i]);
        html_out_raw(h, "</small>");
    }
    html_out_raw(h, "</td>");
}

static void write_lanes(struct html_out *h, const struct view *v)
{
    static const char *const names[] = {"Output",     "State",   "#delivered", "#lost",
                                        "#in flight", "#buffer", "#retries",   NULL};
    table(h, "<h2>Outputs</h2>", names);
    for (size_t i = 0; i < v->lanes_len; i++) {
        const struct view_lane *l = &v->lanes[i];
        html_out_raw(h, "<tr><td>");
        html_out_text(h, l->output);
        html_out_raw(h, "<small>");
        html_out_text(h, l->pool);
        html_out_raw(h, ": ");
        html_out_text(h, l->encoder);
        html_out_raw(h, " &rarr; ");
        html_out_text(h, l->sink);
        html_out_raw(h, " (");
        html_out_text(h, l->sink_kind);
        html_out_raw(h, ")</small></td>");
        write_lane_state(h, l);
        count_cell(h, l->books->delivered);
        write_lost(h, l->books);
        count_cell(h, l->state.in_flight);
        html_out_raw(h, "<td class=\"n\">");
        html_out_bytes(h, l->state.buffer.bytes + l->state.held_bytes);
        html_out_raw(h, "<small>of ");
        html_out_bytes(h, l->state.buffer.cap_bytes);
        html_out_raw(h, "</small></td>");
        count_cell(h, l->books->retries);
        html_out_raw(h, "</tr>");
    }
    table_end(h);
}

static void small_count(struct html_out *h, uint64_t n, const char *behind)
{
    html_out_count(h, n);
    html_out_raw(h, behind);
}

static void write_watching(struct html_out *h, const struct source_state *s)
{
    const struct source_watching *w = &s->watching;
    if (!s->follows)
        return;
    html_out_raw(h, "<small>");
    small_count(h, w->watching, " of ");
    small_count(h, w->collections, " watches open, ");
    small_count(h, w->objects, " objects, ");
    small_count(h, w->events, " events, ");
    small_count(h, w->lists, " lists, ");
    small_count(h, w->requests, " requests, ");
    small_count(h, w->requests_failed, " failed</small>");
}

static void write_sources(struct html_out *h, const struct view *v)
{
    static const char *const names[] = {"Source", "Pool", "#targets", "#refused", "State", NULL};
    table(h, "<h2>Sources</h2>", names);
    for (size_t i = 0; i < v->sources_len; i++) {
        const struct source_state *s = &v->sources[i];
        html_out_raw(h, "<tr><td>");
        html_out_text(h, s->name);
        html_out_raw(h, "<small>");
        html_out_text(h, s->kind);
        html_out_raw(h, "</small></td>");
        cell(h, s->pool);
        count_cell(h, s->targets);
        count_cell(h, s->refused);
        html_out_raw(h, "<td class=\"w\">");
        badge(h, s->synced ? "ok" : "warn", s->synced ? "synced" : "not synced");
        write_watching(h, s);
        if (s->last_error.status != OK) {
            html_out_raw(h, "<small>");
            html_out_text(h, s->last_error.text);
            html_out_raw(h, "</small>");
        }
        html_out_raw(h, "</td></tr>");
    }
    table_end(h);
}

static bool has(const char *text, const char *q)
{
    return text && strcasestr(text, q);
}

static bool is_wanted(const struct target *t, const struct target_shown *s, const char *q)
{
    return !q || has(t->id, q) || has(t->source, q) || has(t->pool, q) || has(t->url, q) ||
           has(s->last_error.text, q);
}

static void write_target(struct html_out *h, const struct target *t, const struct target_shown *s)
{
    static const char *const kinds[] = {
        [TARGET_UNKNOWN] = "warn", [TARGET_UP] = "ok", [TARGET_DOWN] = "bad"};
    const struct err *const errs[] = {&s->last_error, &s->first_bad, &s->first_refused,
                                      &s->first_flaw};
    AUTO(buf) struct buf url = BUF_INIT(HEALTH_URL_MAX);
    html_out_raw(h, "<tr><td>");
    badge(h, kinds[s->health], health_name(s->health));
    html_out_raw(h, "</td><td class=\"w\">");
    html_out_text(h, health_url(t->id, &url));
    for (size_t i = 0; i < ARRAY_LEN(errs); i++) {
        if (errs[i]->status == OK)
            continue;
        html_out_raw(h, "<small>");
        html_out_text(h, errs[i]->text);
        html_out_raw(h, "</small>");
    }
    html_out_raw(h, "</td><td>");
    html_out_text(h, t->source);
    html_out_raw(h, "<small>pool ");
    html_out_text(h, t->pool);
    html_out_raw(h, "</small></td><td class=\"n\">");
    html_out_ago(h, s->scraped_ms);
    html_out_raw(h, "<small>every ");
    html_out_span(h, t->interval_ns);
    html_out_raw(h, "</small></td><td class=\"n\">");
    html_out_span(h, s->duration_ns);
    html_out_raw(h, "</td>");
    count_cell(h, s->samples);
    count_cell(h, s->samples_post_filter);
    html_out_raw(h, "<td class=\"n\">");
    html_out_bytes(h, s->body_bytes);
    html_out_raw(h, "</td></tr>");
}

/* In trouble: down, or with something on the page that was not taken. */
static bool is_bad(const struct target_shown *s)
{
    return s->health == TARGET_DOWN || s->lines_bad > 0 || s->refused > 0 || s->flaws > 0;
}

static void write_search(struct html_out *h, const char *q)
{
    html_out_raw(h, "<form method=\"get\" action=\"/#targets\"><input name=\"q\" size=\"28\" "
                    "aria-label=\"which targets\" placeholder=\"id, pool, source or error\" "
                    "value=\"");
    html_out_text(h, q);
    html_out_raw(h, "\"> <input type=\"submit\" value=\"Find\"></form>");
}

static void write_targets(struct html_out *h, const struct view *v, const char *q)
{
    static const char *const names[] = {
        "State", "Target", "Source", "#last scrape", "#takes", "#samples", "#kept", "#page", NULL};
    size_t found = 0;
    html_out_raw(h, "<h2 id=\"targets\">Targets</h2>");
    write_search(h, q);
    table(h, "", names);
    for (int good = 0; good < 2; good++) {
        for (size_t i = 0; i < v->targets_len && h->status == OK; i++) {
            struct target_shown s = target_state_shown(v->targets[i].state);
            if (is_bad(&s) == (good == 1) || !is_wanted(v->targets[i].target, &s, q))
                continue;
            if (found++ < TARGETS_SHOWN)
                write_target(h, v->targets[i].target, &s);
        }
    }
    table_end(h);
    html_out_raw(h, "<p class=\"dim\">");
    html_out_count(h, found < TARGETS_SHOWN ? found : TARGETS_SHOWN);
    html_out_raw(h, " of ");
    html_out_count(h, found);
    html_out_raw(h, q ? " that match" : " targets");
    html_out_raw(h, ", those in trouble first. All of them: <a href=\"/targets\">/targets</a></p>");
}

static void write_refused(struct html_out *h, const char *lines)
{
    if (!lines || !*lines)
        return;
    html_out_raw(h, "<h2>Targets that were refused</h2><div class=\"say warn\"><ul>");
    for (size_t n = 0; *lines && n < TARGETS_SHOWN; n++) {
        char line[1024];
        size_t len = strcspn(lines, "\n"), cut = len < sizeof line ? len : sizeof line - 1;
        memcpy(line, lines, cut);
        line[cut] = '\0';
        html_out_raw(h, "<li>");
        html_out_text(h, line);
        html_out_raw(h, "</li>");
        lines += len + (lines[len] == '\n');
    }
    html_out_raw(h, "</ul></div>");
}

static void write_memory(struct html_out *h, const struct view *v)
{
    static const char *const names[] = {"Memory", "#bytes", NULL};
    table(h, "<h2>Memory</h2>", names);
    for (size_t i = 0; i < v->memory_len; i++) {
        html_out_raw(h, "<tr>");
        cell(h, v->memory[i].name);
        html_out_raw(h, "<td class=\"n\">");
        html_out_bytes(h, v->memory[i].bytes);
        html_out_raw(h, "</td></tr>");
    }
    html_out_raw(h, "<tr><td>the most so far</td><td class=\"n\">");
    html_out_bytes(h, v->memory_peak);
    html_out_raw(h, "</td></tr>");
    table_end(h);
}

enum status web_page(const struct view *v, const char *q, struct buf *out)
{
    struct html_out h = HTML_OUT(out);
    if (q && !*q)
        q = NULL;
    write_header(&h, v);
    write_troubles(&h, v);
    write_cards(&h, v);
    write_lanes(&h, v);
    write_pools(&h, v);
    write_sources(&h, v);
    write_targets(&h, v, q);
    write_refused(&h, v->refused_targets);
    write_books(&h, v);
    write_memory(&h, v);
    html_out_raw(&h, "<p class=\"dim\">Configuration ");
    html_out_text(&h, v->config_path);
    html_out_raw(&h, ", loaded ");
    html_out_ago(&h, v->loaded_ms);
    html_out_raw(&h, ".</p></body></html>\n");
    return h.status;
}
