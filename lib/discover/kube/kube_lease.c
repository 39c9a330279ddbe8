/* SPDX-License-Identifier: Apache-2.0 */
#include "kube_lease.h"

#include "clock.h"
#include "kube_lease_object.h"
#include "kube_pace.h"
#include "kube_watch.h"
#include "mem.h"

#include <assert.h>

#define TAKE_NS     (300 * MS_NS) /* over which attempts to take it are spread */
#define BACK_OFF_NS (200 * MS_NS)
#define MEND_NS     (30 * SEC_NS)
#define SPREAD_NS   (5 * SEC_NS) /* of the watch: one small object */
#define LONGEST_NS  (3600 * SEC_NS)
#define PATH_BYTES  1024

struct kube_lease {
    struct kube_client *client;
    struct kube_watch *watch;
    void (*changed)(void *of);
    void *of;
    char *ns, *name, *holder, *path;
    int64_t duration_ns;

    bool known; /* seen says something */
    struct kube_lease_object seen;
    bool listed;     /* something was seen since the last list began */
    int64_t take_ns; /* when it may be taken, unless it changes before */
    bool good;       /* seen is what we wrote or a later one that names us */
    int64_t good_ns; /* start of the last write that succeeded, by both clocks */
    int64_t good_ms;
    bool told; /* what changed was last called for */

    struct kube_call *call;
    bool writes; /* what call does */
    int64_t start_ns, start_ms;
    uint64_t start_version; /* of seen */

    bool read_next;               /* seen is out of date */
    unsigned failures, conflicts; /* in a row */
    int64_t after_ns;             /* nothing is sent before */
    struct err fault;

    void (*done)(void *of); /* not NULL: it is being given up */
    int64_t give_up_ns;
    bool ended; /* done was called */
};

static bool names_us(const struct kube_lease *l)
{
    return l->known && strcmp(l->seen.holder, l->holder) == 0;
}

bool kube_lease_held(const struct kube_lease *l)
{
    int64_t good_for_ns = l->duration_ns / 3 * 2;
    return l->good && !l->done && clock_mono_ns() - l->good_ns < good_for_ns &&
           clock_wall_ms() - l->good_ms < good_for_ns / MS_NS;
}

const char *kube_lease_holder(const struct kube_lease *l)
{
    return l->seen.holder;
}

const struct err *kube_lease_fault(const struct kube_lease *l)
{
    return l->fault.status != OK ? &l->fault : &kube_watch_state(l->watch)->fault;
}

/* What is seen. */

static void well(struct kube_lease *l)
{
    l->failures = 0;
    l->fault = (struct err){.status = OK};
}

/* now is what there is now; it moves. */
static void see(struct kube_lease *l, struct kube_lease_object *now)
{
    kube_lease_object_done(&l->seen);
    l->seen = *now;
    l->known = l->listed = true;
    l->take_ns = clock_mono_ns();
    l->good = l->good && names_us(l);
    if (names_us(l))
        return;
    if (*l->seen.holder) {
        l->take_ns += l->seen.lasts_ns ? l->seen.lasts_ns : l->duration_ns;
        l->conflicts = 0;
        well(l); /* the server is there, and there is nothing to ask of it */
    }
    l->take_ns += kube_pace_random(0, TAKE_NS);
}

/* Versions of one object grow, and a watch may bring an old one after a new one was answered. */
static void see_object(struct kube_lease *l, struct kube_lease_object *now, bool newest)
{
    bool older = now->version < l->seen.version && now->version > 0;
    l->listed = true;
    if (l->known && ((older && !newest) || (now->version == l->seen.version && now->version > 0)))
        kube_lease_object_done(now);
    else
        see(l, now);
}

static void see_absent(struct kube_lease *l, uint64_t version)
{
    if (!l->known || l->seen.json || version != l->seen.version)
        see(l, &(struct kube_lease_object){.holder = "", .version = version});
}

static void on_reset(void *of)
{
    struct kube_lease *l = of;
    l->listed = false;
}

static void on_object(void *of, const cJSON *json)
{
    struct kube_lease *l = of;
    struct kube_lease_object now;
    if (kube_lease_object_read(&now, json, NULL) == OK)
        see_object(l, &now, false);
}

static void on_gone(void *of, const cJSON *json)
{
    struct kube_lease *l = of;
    struct kube_lease_object was;
    if (kube_lease_object_read(&was, json, NULL) != OK)
        return;
    if (was.version >= l->seen.version || was.version == 0)
        see_absent(l, was.version);
    kube_lease_object_done(&was);
}

static void on_synced(void *of)
{
    struct kube_lease *l = of;
    if (!l->listed)
        see_absent(l, l->seen.version);
}

static void on_state(void *of)
{
    (void)of;
}

/* What is answered. */

static void wait_a_while(struct kube_lease *l, unsigned times, int64_t most_ns)
{
    int64_t whole = times < 10 ? BACK_OFF_NS << times : most_ns;
    whole = whole < most_ns ? whole : most_ns;
    l->after_ns = clock_mono_ns() + kube_pace_random(whole / 2, whole);
}

static void failed(struct kube_lease *l, const struct kube_answer *answer)
{
    int64_t most_ns = status_retryable(answer->status) ? l->duration_ns / 3 * 2 : MEND_NS;
    wait_a_while(l, l->failures++, l->done || kube_lease_held(l) ? l->duration_ns / 12 : most_ns);
    int64_t retry_ns = clock_mono_ns() + answer->retry_after_ns;
    l->after_ns = l->after_ns > retry_ns ? l->after_ns : retry_ns;
    l->fault = answer->err;
    l->fault.status = answer->status;
    l->read_next = l->read_next || l->done; /* whether it was written is not known */
}

static bool read_answer(struct kube_lease *l, const struct kube_answer *answer, bool newest)
{
    struct kube_lease_object now;
    struct kube_answer bad = {.status = ERR_INVALID};
    cJSON *json = cJSON_ParseWithLength(answer->body, answer->body_len);
    enum status s = kube_lease_object_read(&now, json, &bad.err);
    cJSON_Delete(json);
    if (s == OK)
        see_object(l, &now, newest);
    else
        failed(l, &bad);
    return s == OK;
}

static void was_read(struct kube_lease *l, const struct kube_answer *answer)
{
    bool newest = l->seen.version == l->start_version; /* nothing has come meanwhile */
    if (answer->code == 404) {
        see_absent(l, l->seen.version);
    } else if (answer->status != OK) {
        failed(l, answer);
        return;
    } else if (!read_answer(l, answer, newest)) {
        return;
    }
    l->read_next = false;
    well(l);
}

static void was_written(struct kube_lease *l, const struct kube_answer *answer)
{
    if (answer->status == OK) {
        l->read_next = true; /* unless the answer says it */
        if (!read_answer(l, answer, false))
            return;
        l->read_next = false;
        l->good = names_us(l);
        l->good_ns = l->start_ns;
        l->good_ms = l->start_ms;
        l->conflicts = 0;
        well(l);
    } else if (answer->code == 409) {
        l->read_next = true;
        if (l->conflicts++ > 0)
            wait_a_while(l, l->conflicts - 2, l->duration_ns / 12);
    } else if (answer->code == 404 && l->seen.json) {
        see_absent(l, l->seen.version);
    } else {
        failed(l, answer);
    }
}

static void on_done(void *of, const struct kube_answer *answer)
{
    struct kube_lease *l = of;
    l->call = NULL;
    if (l->writes)
        was_written(l, answer);
    else
        was_read(l, answer);
}

/* What is done. */

static void send_request(struct kube_lease *l)
{
    char path[PATH_BYTES];
    bool anew = !l->read_next && !l->seen.json;
    l->writes = !l->read_next;
    l->start_ns = clock_mono_ns();
    l->start_ms = clock_wall_ms();
    l->start_version = l->seen.version;
    snprintf(path, sizeof path, "%s%s%s", l->path, anew ? "" : "/", anew ? "" : l->name);
    struct kube_request request = {.method = l->read_next ? "GET"
                                             : anew       ? "POST"
                                                          : "PUT",
                                   .path = path,
                                   .timeout_ns = l->duration_ns / 6,
                                   .done = on_done,
                                   .of = l};
    char *body = NULL;
    if (l->writes) {
        body = kube_lease_object_write(&l->seen, l->ns, l->name, l->done ? "" : l->holder,
                                       l->duration_ns, l->start_ms);
        request.content_type = "application/json";
        request.body = (struct span){body, strlen(body)};
    }
    l->call = kube_client_send(l->client, &request);
    cJSON_free(body);
}

/* When there is something to send; DEADLINE_NEVER while a call is out. */
static int64_t send_ns(const struct kube_lease *l)
{
    int64_t at = DEADLINE_NOW;
    if (l->call || (!l->known && !l->read_next))
        return DEADLINE_NEVER;
    if (!l->read_next && !l->done) {
        if (!names_us(l))
            at = l->take_ns;
        else if (kube_lease_held(l))
            at = l->good_ns + l->duration_ns / 3;
    }
    return at > l->after_ns ? at : l->after_ns;
}

/* Whether it is to be given up yet. */
static bool is_ours(const struct kube_lease *l)
{
    return l->call || l->read_next || names_us(l);
}

int64_t kube_lease_timer_ns(const struct kube_lease *l)
{
    if (l->ended)
        return DEADLINE_NEVER;
    if (l->told != kube_lease_held(l) || (l->done && !is_ours(l)))
        return DEADLINE_NOW;
    int64_t at[] = {kube_watch_timer_ns(l->watch), send_ns(l),
                    l->told ? l->good_ns + l->duration_ns / 3 * 2 : DEADLINE_NEVER,
                    l->done ? l->give_up_ns : DEADLINE_NEVER};
    int64_t first = DEADLINE_NEVER;
    for (size_t i = 0; i < ARRAY_LEN(at); i++)
        first = at[i] < first ? at[i] : first;
    return first;
}

void kube_lease_run(struct kube_lease *l)
{
    if (l->ended)
        return;
    kube_watch_run(l->watch);
    int64_t now_ns = clock_mono_ns();
    bool given_up = l->done && (!is_ours(l) || now_ns >= l->give_up_ns);
    if (!given_up && now_ns >= send_ns(l))
        send_request(l);
    if (l->told != kube_lease_held(l)) {
        l->told = !l->told;
        l->changed(l->of);
    }
    l->ended = given_up;
    if (given_up)
        l->done(l->of);
}

/* Opening and closing. */

struct kube_lease *kube_lease_new(struct kube_client *client, const struct kube_lease_conf *conf,
                                  void (*changed)(void *of), void *of)
{
    assert(conf->duration_ns >= 3 * SEC_NS && conf->duration_ns <= LONGEST_NS && *conf->holder);
    char path[PATH_BYTES], field[PATH_BYTES];
    snprintf(path, sizeof path, "/apis/coordination.k8s.io/v1/namespaces/%s/leases", conf->ns);
    snprintf(field, sizeof field, "metadata.name=%s", conf->name);
    struct kube_lease *l = mem_alloc(sizeof *l);
    *l = (struct kube_lease){.client = client,
                             .changed = changed,
                             .of = of,
                             .ns = mem_strdup(conf->ns),
                             .name = mem_strdup(conf->name),
                             .holder = mem_strdup(conf->holder),
                             .path = mem_strdup(path),
                             .duration_ns = conf->duration_ns,
                             .seen = {.holder = ""}};
    struct kube_watch_conf watch = {
        .path = path, .field_selector = field, .label_selector = "", .spread_ns = SPREAD_NS};
    l->watch = kube_watch_new(
        client, &watch,
        (struct kube_watch_sink){on_reset, on_object, on_gone, on_synced, on_state, l});
    return l;
}

void kube_lease_release(struct kube_lease *l, int64_t timeout_ns, void (*done)(void *of))
{
    l->give_up_ns = clock_mono_ns() + timeout_ns;
    l->after_ns = 0;
    l->done = done;
    if (l->call && l->good) { /* one that renews: of no use; one that takes is waited for */
        kube_call_cancel(l->call);
        l->call = NULL;
    }
}

void kube_lease_free(struct kube_lease *l)
{
    if (!l)
        return;
    if (l->call)
        kube_call_cancel(l->call);
    kube_watch_free(l->watch);
    kube_lease_object_done(&l->seen);
    mem_free(l->ns);
    mem_free(l->name);
    mem_free(l->holder);
    mem_free(l->path);
    mem_free(l);
}
