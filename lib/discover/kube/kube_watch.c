/* SPDX-License-Identifier: Apache-2.0 */
#include "kube_watch.h"

#include "clock.h"
#include "kube_frame.h"
#include "kube_pace.h"
#include "mem.h"

#include <curl/curl.h>

#define QUIET_NS         (90 * SEC_NS)
#define SPREAD_NS        (30 * SEC_NS)
#define STEADY_NS        (5 * SEC_NS) /* a watch that lasts that long is none that fails */
#define HOPE_NS          (15 * SEC_NS) /* open that long without a byte, it counts as one that works */
#define MARK_NS          (30 * SEC_NS)  /* the most without a byte before a streaming list's mark */
#define LIST_NS          (300 * SEC_NS) /* a page, or a list as a whole */
#define PATH_BYTES       131072
#define STREAM_FAILURES  3
#define VERSION_FAILURES 5
#define SHORT_WATCHES    4

enum ask { ASK_STREAM, ASK_LIST, ASK_WATCH };

struct kube_watch {
    struct kube_client *client;
    struct kube_watch_conf conf;
    char *path, *selectors; /* selectors: "&fieldSelector=...&labelSelector=..." */
    struct kube_watch_sink sink;
    struct kube_watch_state state;
    struct kube_pace pace;
    int64_t next_ns; /* when to ask, while nothing is under way */

    char version[KUBE_VERSION_MAX + 1];      /* where a watch begins; "": a list is due */
    char list_version[KUBE_VERSION_MAX + 1]; /* of the first page */
    char *token;                             /* of the next page, or NULL */
    bool listing;                            /* RESET has been said, SYNCED not */
    bool unpaged, patched;                   /* no limit; a page came from later than the first */
    unsigned stream_failures, version_failures;

    struct kube_call *call; /* NULL: nothing is under way */
    enum ask ask;
    struct kube_frame *frame;
    size_t oversize; /* of the frame, already counted */
    int64_t opened_ns;
    bool heard;     /* a byte of this call */
    int error_code; /* of an ERROR event; 0: none came */
    struct err err; /* of what ended the call from within */
};

/* How a call ended, whoever said so. */
struct ending {
    enum status status;
    int code;
    bool event; /* it was told by an ERROR event */
    int64_t retry_after_ns;
    struct err err;
    struct span body;
};

static int64_t spread_of(const struct kube_watch_conf *conf)
{
    return conf->spread_ns > 0 ? conf->spread_ns : SPREAD_NS;
}

static char *escaped(const char *text)
{
    char *e = curl_easy_escape(NULL, text, 0);
    if (!e)
        abort(); /* no memory */
    return e;
}

static char *selectors_of(const struct kube_watch_conf *conf)
{
    const char *const given[] = {conf->field_selector, conf->label_selector};
    static const char *const names[] = {"&fieldSelector=", "&labelSelector="};
    char *values[ARRAY_LEN(given)] = {NULL};
    size_t len = 1;
    for (size_t i = 0; i < ARRAY_LEN(given); i++)
        if (given[i] && given[i][0]) {
            values[i] = escaped(given[i]);
            len += strlen(names[i]) + strlen(values[i]);
        }
    char *text = mem_alloc(len), *end = text;
    for (size_t i = 0; i < ARRAY_LEN(given); i++)
        if (values[i]) {
            end += snprintf(end, len - (size_t)(end - text), "%s%s", names[i], values[i]);
            curl_free(values[i]);
        }
    return text;
}

struct kube_watch *kube_watch_new(struct kube_client *client, const struct kube_watch_conf *conf,
                                  struct kube_watch_sink sink)
{
    struct kube_watch *w = mem_alloc(sizeof *w);
    w->client = client;
    w->conf = (struct kube_watch_conf){
        .by_node = conf->by_node,
        .quiet_ns = conf->quiet_ns > 0 ? conf->quiet_ns : QUIET_NS,
    };
    w->path = mem_strdup(conf->path);
    w->selectors = selectors_of(conf);
    w->sink = sink;
    w->state.streaming = true;
    w->pace.spread_ns = spread_of(conf);
    w->unpaged = conf->by_node;
    w->next_ns = DEADLINE_NOW;
    return w;
}

void kube_watch_free(struct kube_watch *w)
{
    if (!w)
        return;
    if (w->call)
        kube_call_cancel(w->call);
    kube_frame_free(w->frame);
    mem_free(w->token);
    mem_free(w->selectors);
    mem_free(w->path);
    mem_free(w);
}

const struct kube_watch_state *kube_watch_state(const struct kube_watch *w)
{
    return &w->state;
}

static void set_fault(struct kube_watch *w, const struct err *err)
{
    struct err *fault = &w->state.fault;
    if (fault->status == err->status && strcmp(fault->text, err->text) == 0)
        return;
    *fault = *err;
    w->sink.state(w->sink.of);
}

static void works(struct kube_watch *w)
{
    set_fault(w, &(struct err){.status = OK});
}

static void list_begin(struct kube_watch *w)
{
    if (w->listing)
        return;
    w->listing = true;
    w->sink.reset(w->sink.of);
}

/* What watches and pages go on from is dropped: a full list is due. */
static void list_anew(struct kube_watch *w)
{
    w->version[0] = '\0';
    w->version_failures = 0;
    mem_free(w->token);
    w->token = NULL;
    w->listing = false;
    w->patched = false;
}

static void list_end(struct kube_watch *w, const char *version)
{
    list_begin(w); /* it may have been empty */
    w->listing = false;
    snprintf(w->version, sizeof w->version, "%s", version);
    w->stream_failures = w->version_failures = 0;
    w->state.synced = true;
    w->sink.synced(w->sink.of);
}

static const char *text_in(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? text : "";
}

/* "": none that can be used. */
static const char *version_of(const cJSON *object)
{
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(object, "metadata");
    const char *version = text_in(meta, "resourceVersion");
    return strlen(version) <= KUBE_VERSION_MAX ? version : "";
}

static void version_take(struct kube_watch *w, const cJSON *object)
{
    const char *version = version_of(object);
    if (w->ask != ASK_WATCH || !version[0])
        return;
    snprintf(w->version, sizeof w->version, "%s", version);
    w->version_failures = 0;
    w->patched = false;
}

static bool has_mark(const cJSON *object)
{
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(object, "metadata");
    const cJSON *annotations = cJSON_GetObjectItemCaseSensitive(meta, "annotations");
    return strcmp(text_in(annotations, "k8s.io/initial-events-end"), "true") == 0;
}

static enum status on_bookmark(struct kube_watch *w, const cJSON *object)
{
    const char *version = version_of(object);
    w->state.bookmarks++;
    if (w->ask == ASK_WATCH) {
        version_take(w, object);
        return OK;
    }
    if (!has_mark(object) || !version[0])
        return err_set(&w->err, ERR_CLOSED, "%s: a streaming list without its mark", w->path);
    w->ask = ASK_WATCH;
    w->state.watching = true;
    w->opened_ns = clock_mono_ns();
    list_end(w, version);
    return OK;
}

/* One line: for messages. */
static enum status on_error(struct kube_watch *w, const cJSON *object)
{
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(object, "code");
    w->error_code = code && code->valueint >= 100 && code->valueint < 600 ? code->valueint : 500;
    err_set(&w->err, ERR_CLOSED, "%s: error %d: %s", w->path, w->error_code,
            text_in(object, "message"));
    for (char *c = w->err.text; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    return ERR_CLOSED;
}

static enum status on_event(struct kube_watch *w, const cJSON *json)
{
    const char *type = text_in(json, "type");
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(json, "object");
    bool gone = strcmp(type, "DELETED") == 0;
    if (!cJSON_IsObject(object)) {
        w->state.bad++;
    } else if (gone || strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0) {
        if (w->ask == ASK_STREAM)
            list_begin(w);
        w->state.events++;
        (gone ? w->sink.gone : w->sink.object)(w->sink.of, object);
        version_take(w, object);
    } else if (strcmp(type, "BOOKMARK") == 0) {
        return on_bookmark(w, object);
    } else if (strcmp(type, "ERROR") == 0) {
        return on_error(w, object);
    } else {
        w->state.bad++;
    }
    return OK;
}

static enum status on_thing(void *of, char *text, size_t len)
{
    struct kube_watch *w = of;
    cJSON *json = cJSON_ParseWithLengthOpts(text, len + 1, NULL, true);
    enum status s = OK;
    if (!json) {
        w->state.bad++;
    } else if (w->ask == ASK_LIST) {
        list_begin(w);
        w->sink.object(w->sink.of, json);
    } else {
        s = on_event(w, json);
    }
    cJSON_Delete(json);
    return s;
}

static enum status on_bytes(void *of, struct span data)
{
    struct kube_watch *w = of;
    w->state.heard_ns = clock_mono_ns();
    w->heard = true;
    enum status s = kube_frame_add(w->frame, data, &w->err);
    w->state.oversize += kube_frame_oversize(w->frame) - w->oversize;
    w->oversize = kube_frame_oversize(w->frame);
    if (s == OK && w->ask == ASK_WATCH)
        works(w);
    else if (s == ERR_INVALID)
        err_wrap(&w->err, s, w->path);
    return s;
}

/* Nothing else is done about it: the next attempt is made after a while. */
static void fail(struct kube_watch *w, const struct ending *e)
{
    enum kube_trouble why = KUBE_TROUBLE_OWN;
    if (e->code == 410 && w->ask == ASK_WATCH)
        why = KUBE_TROUBLE_EXPIRED;
    else if (e->status == ERR_IO || e->status == ERR_TIMEOUT)
        why = KUBE_TROUBLE_AWAY;
    w->next_ns = clock_mono_ns() + kube_pace_wait_ns(&w->pace, why, e->retry_after_ns);
    if (e->code != 410)
        set_fault(w, &e->err);
}

/* Sound answers that say nothing about streaming lists. */
static bool says_nothing(const struct ending *e)
{
    return e->status == ERR_DENIED || e->code == 429 || e->code == 410 ||
           (e->code == 0 && e->status == ERR_IO);
}

static void stream_ended(struct kube_watch *w, struct ending *e)
{
    bool refused = e->status == ERR_CLOSED || e->code == 400 || e->code == 422 ||
                   (e->event && !says_nothing(e));
    list_anew(w);
    if (refused) {
        w->state.streaming = false;
        w->next_ns = DEADLINE_NOW;
        return;
    }
    if (e->status == OK)
        e->status = err_set(&e->err, ERR_IO, "%s: a streaming list without its end", w->path);
    if (!says_nothing(e))
        w->stream_failures++;
    fail(w, e);
}

/* A page's token has expired.  The server may give another one, for the rest of the list as it is now:
 * what has changed of the first pages is then seen by the watch, which begins at the first. */
static bool token_anew(struct kube_watch *w, const struct ending *e)
{
    cJSON *json = cJSON_ParseWithLength(e->body.data, e->body.len);
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(json, "metadata");
    const char *token = text_in(meta, "continue");
    bool given =
        token[0] && w->token && strcmp(token, w->token) != 0 && strlen(token) <= KUBE_CONTINUE_MAX;
    if (given) {
        mem_free(w->token);
        w->token = mem_strdup(token);
        w->patched = true;
    }
    cJSON_Delete(json);
    return given;
}

static void list_failed(struct kube_watch *w, const struct ending *e)
{
    if (e->code == 410 && token_anew(w, e)) {
        w->next_ns = DEADLINE_NOW;
        return;
    }
    if (!w->token || e->status == ERR_INVALID)
        list_anew(w);
    fail(w, e);
}

static void page_ended(struct kube_watch *w, struct ending *e)
{
    const char *token = kube_frame_continue(w->frame), *version = kube_frame_version(w->frame);
    if (!version[0])
        e->status = err_set(&e->err, ERR_INVALID, "%s: a list without a version", w->path);
    else if (token[0] && w->token && strcmp(token, w->token) == 0)
        e->status = err_set(&e->err, ERR_INVALID, "%s: a list without an end", w->path);
    if (e->status != OK) {
        list_failed(w, e);
        return;
    }
    if (!w->token)
        snprintf(w->list_version, sizeof w->list_version, "%s", version);
    mem_free(w->token);
    w->token = token[0] ? mem_strdup(token) : NULL;
    w->next_ns = DEADLINE_NOW;
    if (!w->token)
        list_end(w, w->list_version);
}

/* The server has ended the watch, as it should. */
static void watch_whole(struct kube_watch *w)
{
    w->next_ns = DEADLINE_NOW;
    if (clock_mono_ns() - w->opened_ns >= STEADY_NS)
        return;
    w->next_ns = clock_mono_ns() + kube_pace_wait_ns(&w->pace, KUBE_TROUBLE_OWN, 0);
    struct err err;
    err_set(&err, ERR_AGAIN, "%s: the server ends each watch at once", w->path);
    if (w->pace.failures >= SHORT_WATCHES)
        set_fault(w, &err);
}

static void watch_failed(struct kube_watch *w, const struct ending *e)
{
    bool doubtful = e->event || e->code == 504;
    if (e->code == 410) {
        w->unpaged = w->unpaged || w->patched;
        list_anew(w);
    } else if (e->status == ERR_INVALID && !e->event && e->code >= 400) {
        list_anew(w);
    } else if (doubtful && ++w->version_failures >= VERSION_FAILURES) {
        list_anew(w); /* a history that the server has not, or not any more */
    }
    fail(w, e);
}

static enum status status_of(int code)
{
    return code == 401 || code == 403 ? ERR_DENIED : code >= 500 ? ERR_IO : ERR_INVALID;
}

static struct ending ending_of(struct kube_watch *w, const struct kube_answer *a)
{
    struct ending e = {
        .status = a->status,
        .code = a->code,
        .retry_after_ns = a->retry_after_ns,
        .err = a->err,
        .body = {a->body, a->body_len},
    };
    if (w->error_code) {
        e.code = w->error_code;
        e.event = true;
        e.status = status_of(e.code);
        e.err = w->err;
    } else if (a->status == OK && kube_frame_end(w->frame, &e.err) != OK) {
        e.status = err_wrap(&e.err, ERR_IO, w->path);
    } else if (w->err.status != OK) {
        e.status = w->err.status;
        e.err = w->err;
    }
    e.err.status = e.status;
    return e;
}

static void call_over(struct kube_watch *w)
{
    w->call = NULL;
    w->state.watching = false;
}

static void on_done(void *of, const struct kube_answer *a)
{
    struct kube_watch *w = of;
    struct ending e = ending_of(w, a);
    int64_t open_ns = clock_mono_ns() - w->opened_ns;
    call_over(w);
    if (w->ask == ASK_WATCH && open_ns >= STEADY_NS && (w->heard || a->code / 100 == 2))
        kube_pace_good(&w->pace);
    if (e.code == 410)
        w->state.expired++;
    if (w->ask == ASK_STREAM)
        stream_ended(w, &e);
    else if (w->ask == ASK_WATCH && e.status == OK)
        watch_whole(w);
    else if (w->ask == ASK_WATCH)
        watch_failed(w, &e);
    else if (e.status == OK)
        page_ended(w, &e);
    else
        list_failed(w, &e);
    kube_frame_free(w->frame);
    w->frame = NULL;
}

static enum status add_escaped(struct buf *b, const char *name, const char *value)
{
    char *e = escaped(value);
    enum status s = buf_cat(b, name, e, NULL);
    curl_free(e);
    return s;
}

static enum status path_of(struct kube_watch *w, struct buf *b, int seconds)
{
    enum status s = buf_cat(b, w->path, "?", NULL);
    if (s == OK && w->ask == ASK_LIST) {
        s = buf_puts(b, w->unpaged ? w->token ? "" : "resourceVersion=0" : "limit=500");
        if (s == OK && w->token)
            s = add_escaped(b, w->unpaged ? "continue=" : "&continue=", w->token);
    } else if (s == OK) {
        s = buf_printf(b, "watch=1&allowWatchBookmarks=true&timeoutSeconds=%d", seconds);
        if (s == OK && w->ask == ASK_STREAM)
            s = buf_puts(b, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
        else if (s == OK)
            s = add_escaped(b, "&resourceVersion=", w->version);
    }
    return s == OK ? buf_puts(b, w->selectors) : s;
}

static void count_call(struct kube_watch *w)
{
    if (w->ask == ASK_WATCH)
        w->state.watches++;
    else if (!w->token)
        w->state.lists++;
}

/* Where a streaming list has failed again and again, the next list is a plain one. */
static bool streams(const struct kube_watch *w)
{
    return w->state.streaming && w->stream_failures < STREAM_FAILURES && !w->token;
}

static void ask(struct kube_watch *w)
{
    AUTO(buf) struct buf path = BUF_INIT(PATH_BYTES);
    int seconds = (int)kube_pace_random(300, 600);
    w->ask = w->version[0] ? ASK_WATCH : streams(w) ? ASK_STREAM : ASK_LIST;
    w->err = (struct err){.status = OK};
    w->error_code = 0;
    w->heard = false;
    w->oversize = 0;
    w->opened_ns = clock_mono_ns();
    w->next_ns = DEADLINE_NEVER;
    if (path_of(w, &path, seconds) != OK) {
        struct ending e = {.status = ERR_LIMIT};
        err_set(&e.err, ERR_LIMIT, "%s: a path of more than %d bytes", w->path, PATH_BYTES);
        list_anew(w);
        fail(w, &e);
        return;
    }
    count_call(w);
    w->state.watching = w->ask == ASK_WATCH;
    w->frame = kube_frame_new(w->ask == ASK_LIST ? KUBE_FRAME_LIST : KUBE_FRAME_WATCH,
                              KUBE_OBJECT_MAX, (struct kube_frame_sink){on_thing, w});
    struct kube_request request = {
        .method = "GET",
        .path = path.data,
        .quiet_ns = w->conf.quiet_ns,
        .timeout_ns = w->ask == ASK_LIST ? LIST_NS : seconds * SEC_NS + w->conf.quiet_ns,
        .bytes = on_bytes,
        .done = on_done,
        .of = w,
    };
    w->call = kube_client_send(w->client, &request);
}

/* When a call that goes on is to be looked at. */
static int64_t look_ns(const struct kube_watch *w)
{
    int64_t last = w->heard ? w->state.heard_ns : w->opened_ns;
    if (w->ask == ASK_STREAM)
        return last + MARK_NS;
    if (w->ask == ASK_WATCH && !w->heard && w->state.fault.status != OK)
        return last + HOPE_NS;
    return DEADLINE_NEVER;
}

int64_t kube_watch_timer_ns(const struct kube_watch *w)
{
    return w->call ? look_ns(w) : w->next_ns;
}

static void stream_silent(struct kube_watch *w)
{
    struct ending e = {.status = ERR_TIMEOUT};
    err_set(&e.err, ERR_TIMEOUT, "%s: a streaming list goes no further", w->path);
    kube_call_cancel(w->call);
    call_over(w);
    stream_ended(w, &e);
    kube_frame_free(w->frame);
    w->frame = NULL;
}

void kube_watch_run(struct kube_watch *w)
{
    if (clock_mono_ns() < kube_watch_timer_ns(w))
        return;
    if (!w->call)
        ask(w);
    else if (w->ask == ASK_STREAM)
        stream_silent(w);
    else
        works(w);
}
