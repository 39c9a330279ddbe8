/* SPDX-License-Identifier: Apache-2.0 */
#include "lease_share.h"

#include "clock.h"
#include "mem.h"

#include <poll.h>

struct lease_share {
    struct kube_hub *hub;
    struct kube_lease *lease;
    char *ns, *name;
    unsigned users;
    bool goodbye; /* it has been given up */
    struct lease_share *next;
};

static _Thread_local struct lease_share *shares;

static void changed(void *of)
{
    (void)of;
}

struct lease_share *lease_share_join(struct kube_hub *hub, const struct kube_lease_conf *conf)
{
    struct lease_share *s = shares;
    while (s && (s->hub != hub || strcmp(s->ns, conf->ns) != 0 || strcmp(s->name, conf->name) != 0))
        s = s->next;
    if (!s) {
        s = mem_alloc(sizeof *s);
        s->hub = hub;
        s->ns = mem_strdup(conf->ns);
        s->name = mem_strdup(conf->name);
        s->lease = kube_lease_new(kube_hub_client(hub), conf, changed, s);
        s->next = shares;
        shares = s;
    }
    s->users++;
    return s;
}

struct kube_lease *lease_share_lease(const struct lease_share *s)
{
    return s->lease;
}

static void said_goodbye(void *of)
{
    struct lease_share *s = of;
    s->goodbye = true;
}

/* Without it, nobody would scrape until the lease has run out. */
static void give_up(struct lease_share *s, int64_t goodbye_ns)
{
    int64_t until_ns = clock_mono_ns() + goodbye_ns;
    if (!kube_lease_held(s->lease))
        return;
    kube_lease_release(s->lease, goodbye_ns, said_goodbye);
    while (!s->goodbye && clock_mono_ns() < until_ns) {
        struct pollfd p = {.fd = kube_hub_fd(s->hub), .events = POLLIN};
        int64_t hub_ns = kube_hub_timer_ns(s->hub), lease_ns = kube_lease_timer_ns(s->lease);
        int64_t end_ns = clock_earlier(hub_ns, lease_ns);
        int64_t wait_ns = clock_earlier(end_ns, until_ns) - clock_mono_ns();
        poll(&p, 1, wait_ns <= 0 ? 0 : (int)(wait_ns / MS_NS) + 1);
        kube_hub_run(s->hub);
        kube_lease_run(s->lease);
    }
}

void lease_share_leave(struct lease_share *s, int64_t goodbye_ns)
{
    if (!s || --s->users > 0)
        return;
    struct lease_share **at = &shares;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    give_up(s, goodbye_ns);
    kube_lease_free(s->lease);
    mem_free(s->ns);
    mem_free(s->name);
    mem_free(s);
}
