/* SPDX-License-Identifier: Apache-2.0 */
/* web.c - the thread, and which page is where. */
#include "web.h"

#include "door.h"
#include "listen.h"
#include "log.h"
#include "mem.h"
#include "server.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct web {
    struct web_conf conf;
    struct door *door; /* NULL: open, in clear */
    char url[LISTEN_URL];
    struct event_base *base;
    struct server *server;
    struct event *stop;
    int stop_fd;
    pthread_t thread;
};

static enum status healthz(const struct view *v, struct server_reply *reply)
{
    if (v->healthy)
        return buf_puts(&reply->body, "ok\n");
    reply->code = 503;
    return buf_cat(&reply->body, "no heartbeat: ", v->unhealthy ? v->unhealthy : "unknown", "\n",
                   NULL);
}

static enum status readyz(const struct view *v, struct server_reply *reply)
{
    if (v->ready)
        return buf_puts(&reply->body, "ready\n");
    reply->code = 503;
    enum status r = buf_puts(&reply->body, "not ready: not every source has synced\n");
    for (size_t i = 0; i < v->sources_len && r == OK; i++) {
        const struct source_state *s = &v->sources[i];
        if (s->synced)
            continue;
        r = buf_cat(&reply->body, s->name, s->last_error.status == OK ? "" : ": ",
                    s->last_error.status == OK ? "" : s->last_error.text, "\n", NULL);
    }
    return r;
}

static enum status metrics(const struct view *v, struct server_reply *reply)
{
    reply->type = "text/plain; version=0.0.4; charset=utf-8";
    return web_metrics(v, &reply->body);
}

static enum status targets(const struct view *v, struct server_reply *reply)
{
    reply->type = "application/json";
    return web_targets(v, &reply->body);
}

static enum status status(const struct view *v, struct server_reply *reply)
{
    reply->type = "application/json";
    return web_status(v, &reply->body);
}

static const struct route {
    const char *path;
    bool brief, candid; /* brief: for everybody */
    enum status (*write)(const struct view *v, struct server_reply *reply); /* NULL: the page */
} routes[] = {
    {"/healthz", true, false, healthz},  {"/readyz", true, false, readyz},
    {"/metrics", false, false, metrics}, {"/targets", false, true, targets},
    {"/status", false, false, status},   {"/", false, false, NULL},
};

static const struct route *route_of(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        if (strcmp(path, routes[i].path) == 0)
            return &routes[i];
    return NULL;
}

static struct view_web own_counts(const struct web *w)
{
    struct server_counts c = server_counts(w->server);
    return (struct view_web){.requests = c.requests,
                             .errors = c.errors,
                             .cut = c.cut,
                             .full = c.full,
                             .connections = c.connections};
}

static enum status write_page(const struct view *v, const char *q, struct server_reply *reply)
{
    reply->type = "text/html; charset=utf-8";
    return web_page(v, q, &reply->body);
}

static void say(struct server_reply *reply, unsigned code, const char *text)
{
    reply->code = code;
    reply->type = "text/plain; charset=utf-8";
    buf_truncate(&reply->body, 0);
    if (buf_puts(&reply->body, text) != OK)
        reply->code = 503; /* not even room for a word: the other replies have it */
}

static void answer(void *of, const struct server_request *request, struct server_reply *reply)
{
    struct web *w = of;
    const struct route *r = route_of(request->path);
    if (!r) {
        say(reply, 404,
            "no such page; there are /, /targets, /status, /metrics, /healthz and /readyz\n");
        return;
    }
    if (w->door && !r->brief && !door_lets(w->door, request->authorization, request->certified)) {
        reply->challenge = door_challenge(w->door);
        say(reply, 401, "this page is not for everybody: agent.web says for whom\n");
        return;
    }
    struct view v = {.brief = r->brief, .candid = r->candid};
    w->conf.take(w->conf.of, &v);
    v.web = own_counts(w);
    enum status s = r->write ? r->write(&v, reply) : write_page(&v, request->q, reply);
    w->conf.release(w->conf.of, &v);
    if (s != OK)
        say(reply, 500, "this page is larger than what may be sent at once\n");
}

static struct ssl_st *start_tls(void *of)
{
    struct web *w = of;
    return door_tls(w->door);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct web *w = arg;
    (void)fd, (void)what;
    event_base_loopbreak(w->base);
}

static void on_event_log(int severity, const char *text)
{
    if (severity >= EVENT_LOG_ERR)
        log_error("libevent", LOG_S("text", text));
    else if (severity == EVENT_LOG_WARN)
        log_warn("libevent", LOG_S("text", text));
    else
        log_debug("libevent", LOG_S("text", text));
}

static void on_event_fatal(int code)
{
    log_error("libevent gives up", LOG_I("code", code));
    abort();
}

static void *serve(void *arg)
{
    struct web *w = arg;
    pthread_setname_np(pthread_self(), "web");
    event_base_loop(w->base, 0);
    return NULL;
}

/* Only this thread uses the base, so it needs no locks. */
static struct event_base *make_base(void)
{
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

/* Signals are the main thread's; SIGPIPE is nobody's: writing fails instead. */
static int start_thread(struct web *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&w->thread, NULL, serve, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

/* fd is taken over in any case. */
static enum status start(struct web *w, int fd, struct err *err)
{
    struct server_conf conf = SERVER_CONF_DEFAULT;
    conf.answer = answer;
    conf.of = w;
    if (w->door && door_has_tls(w->door))
        conf.tls = start_tls;
    w->base = make_base();
    if (!w->base) {
        close(fd);
        return err_set(err, ERR_IO, "libevent cannot start: %s", strerror(errno));
    }
    enum status s = server_new(&w->server, w->base, fd, &conf, err);
    if (s != OK)
        return s;
    w->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->stop_fd < 0)
        return err_set(err, ERR_IO, "eventfd: %s", strerror(errno));
    w->stop = event_new(w->base, w->stop_fd, EV_READ, on_stop, w);
    if (!w->stop || event_add(w->stop, NULL) != 0)
        return err_set(err, ERR_IO, "libevent cannot start: no memory");
    int r = start_thread(w);
    return r == 0 ? OK : err_set(err, ERR_IO, "no thread: %s", strerror(r));
}

static void done(struct web *w)
{
    if (w->stop)
        event_free(w->stop);
    server_free(w->server);
    if (w->base)
        event_base_free(w->base);
    if (w->stop_fd >= 0)
        close(w->stop_fd);
    door_free(w->door);
    mem_free(w);
}

enum status web_new(struct web **ret, const struct web_conf *conf, struct err *err)
{
    int fd;
    struct web *w = mem_alloc(sizeof *w);
    w->conf = *conf;
    w->conf.listen = NULL;
    w->stop_fd = -1;
    event_set_log_callback(on_event_log);
    event_set_fatal_callback(on_event_fatal);
    enum status s = conf->access ? door_new(&w->door, conf->access, err) : OK;
    bool tls = w->door && door_has_tls(w->door);
    if (s == OK)
        s = listen_open(conf->listen, tls ? "https" : "http", &fd, w->url, err);
    if (s == OK)
        s = start(w, fd, err);
    if (s != OK) {
        done(w);
        return s;
    }
    *ret = w;
    return OK;
}

const char *web_url(const struct web *w)
{
    return w->url;
}

void web_free(struct web *w)
{
    if (!w)
        return;
    if (eventfd_write(w->stop_fd, 1) != 0)
        abort(); /* only its one reader could have filled it */
    pthread_join(w->thread, NULL);
    done(w);
}
