/* SPDX-License-Identifier: Apache-2.0 */
/* read_agent.c - the agent's own section. */
#include "config_read.h"

#include "mem.h"
#include "resolve.h"

#include <arpa/inet.h>

#define LABEL_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"

/* The port behind the last ':', and whether it is one. */
static bool port_ok(const char *text)
{
    size_t n = strspn(text, "0123456789");
    return n > 0 && n <= 5 && text[n] == '\0' && strtol(text, NULL, 10) <= 65535;
}

static bool listen_ok(const char *text)
{
    struct in6_addr room;
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || !port_ok(colon + 1) || (size_t)(colon - text) >= sizeof host)
        return false;
    size_t n = (size_t)(colon - text);
    memcpy(host, text, n);
    host[n] = '\0';
    if (n == 0)
        return true;
    if (host[0] != '[' || host[n - 1] != ']')
        return inet_pton(AF_INET, host, &room) == 1;
    host[n - 1] = '\0';
    return inet_pton(AF_INET6, host + 1, &room) == 1;
}

static void check_labels(struct config_reader *r, const struct yaml_node *at,
                         const struct text_map *labels)
{
    if (labels->len > TARGET_LABELS)
        fault_add(r->faults, at, "labels: %zu of them, the most is %d", labels->len, TARGET_LABELS);
    for (size_t i = 0; i < labels->len; i++) {
        const char *name = labels->items[i].name;
        bool good = name[0] != '\0' && name[strspn(name, LABEL_CHARS)] == '\0' &&
                    !(name[0] >= '0' && name[0] <= '9') && strncmp(name, "__", 2) != 0;
        if (!good)
            fault_add(r->faults, at, "labels: '%.80s' is no name of a label", name);
    }
}

static void check_web(struct config_reader *r, const struct yaml_node *n,
                      const struct agent_conf *a)
{
    const struct yaml_node *web = yaml_get(n, "web");
    struct fill_place place = {r->faults, "web", web ? web : n, web ? web : n};
    struct setting_report report = fill_report(&place);
    http_server_check(&a->web, &report);
}

void read_agent(struct config_reader *r, const struct yaml_node *n)
{
    struct agent_conf *a = &r->config->agent;
    static const struct yaml_node none = {.type = YAML_T_MAP};
    if (!n || !fill_is_map(r->faults, n, "agent", true))
        n = &none;
    size_t before = fault_count(r->faults);
    (void)fill_table(r->faults, n, agent_settings, a, NULL);
    if (a->listen[0] && !listen_ok(a->listen))
        fault_add(r->faults, yaml_get(n, "listen"),
                  "listen: '%.80s' is no address; write 127.0.0.1:9690, [::1]:9690 or :9690",
                  a->listen);
    if (fault_count(r->faults) == before)
        check_web(r, n, a);
    before = fault_count(r->faults);
    if (a->labels.len)
        check_labels(r, yaml_get(n, "labels"), &a->labels);
    r->labels_bad = fault_count(r->faults) > before;
    if (a->instance[0] == '\0') {
        mem_free(a->instance);
        a->instance = resolve_instance();
    }
}
