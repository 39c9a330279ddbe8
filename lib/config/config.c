/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - a file, its sections, and what becomes of them. */
#include "config_read.h"

#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* "LINE:COLUMN: text", as yaml.h says it. */
static void add_yaml_fault(struct faults *f, const char *text)
{
    char *end;
    unsigned line = (unsigned)strtoul(text, &end, 10), column = 0;
    if (*end == ':')
        column = (unsigned)strtoul(end + 1, &end, 10);
    fault_add_at(f, line, column, *end == ':' ? end + 2 : text);
}

static void read_sections(struct config_reader *r, const struct yaml_node *root)
{
    static const char *const keys[] = {"agent", "sources", "pools", "sinks", NULL};
    static const struct setting none[] = {SETTING_END};
    if (!fill_is_map(r->faults, root, "the file", false))
        return;
    (void)fill_table(r->faults, root, none, NULL, &(struct fill_more){.keys = keys});
    read_agent(r, yaml_get(root, "agent"));
    read_sinks(r, yaml_get(root, "sinks"));
    read_pools(r, yaml_get(root, "pools"));
    read_sources(r, yaml_get(root, "sources"));
    if (!yaml_get(root, "sources"))
        fault_add(r->faults, root, "'sources' is missing: what there is to scrape");
}

static void read_text(struct config_reader *r, struct span text)
{
    AUTO_PTR(yaml) struct yaml *y = NULL;
    struct err err;
    if (yaml_parse(&y, text, &YAML_LIMITS_DEFAULT, &err) != OK)
        add_yaml_fault(r->faults, err.text);
    else if (!yaml_root(y))
        fault_add_at(r->faults, 1, 1, "the file is empty: sources, pools and sinks are needed");
    else
        read_sections(r, yaml_root(y));
}

enum status config_parse(struct config **ret, struct span text, struct faults *faults)
{
    struct config_reader r = {.config = mem_alloc(sizeof *r.config), .faults = faults};
    size_t before = fault_count(faults);
    read_text(&r, text);
    if (fault_count(faults) == before && config_identify(r.config) != OK)
        fault_add(faults, NULL, "too large: a section has more than 32 MiB of settings");
    if (fault_count(faults) == before) {
        *ret = r.config;
        return OK;
    }
    faults_sort(faults);
    config_free(r.config);
    return ERR_INVALID;
}

/* All of the file; one byte above the bound of yaml.h is enough to be refused there. */
static enum status read_file(const char *path, struct buf *out)
{
    char chunk[16384];
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        if (buf_add(out, chunk, (size_t)n) != OK)
            break;
    int why = errno;
    close(fd);
    errno = why;
    return n < 0 ? ERR_IO : OK;
}

enum status config_load(struct config **ret, const char *path, struct faults *faults)
{
    AUTO(buf) struct buf text = BUF_INIT(YAML_LIMITS_DEFAULT.max_bytes + 16384);
    if (read_file(path, &text) == OK)
        return config_parse(ret, (struct span){text.data, text.len}, faults);
    fault_add(faults, NULL, "%s", strerror(errno));
    return ERR_INVALID;
}

static void free_conf(const struct setting *table, void *conf)
{
    if (conf)
        setting_done(table, conf);
    mem_free(conf);
}

static void output_done(struct output_conf *o)
{
    if (o->encoder)
        free_conf(o->encoder->settings, o->encoder_conf);
    mem_free(o->name);
    mem_free(o->encoder_text);
    mem_free(o->identity);
}

static void pool_done(struct pool_entry *p)
{
    setting_done(pool_settings, &p->conf);
    for (size_t i = 0; i < p->filters_len; i++)
        if (p->filters[i].ops)
            free_conf(p->filters[i].ops->settings, p->filters[i].conf);
    for (size_t i = 0; i < p->outputs_len; i++)
        output_done(&p->outputs[i]);
    mem_free(p->filters);
    mem_free(p->outputs);
    mem_free(p->identity);
}

static void source_done(struct source_conf *s)
{
    setting_done(source_settings, &s->common);
    if (s->ops)
        free_conf(s->ops->settings, s->conf);
    mem_free(s->identity);
}

static void sink_done(struct sink_entry *s)
{
    if (s->ops)
        free_conf(s->ops->settings, s->conf);
    mem_free(s->name);
}

void config_free(struct config *c)
{
    if (!c)
        return;
    setting_done(agent_settings, &c->agent);
    for (size_t i = 0; i < c->sources_len; i++)
        source_done(&c->sources[i]);
    for (size_t i = 0; i < c->pools_len; i++)
        pool_done(&c->pools[i]);
    for (size_t i = 0; i < c->sinks_len; i++)
        sink_done(&c->sinks[i]);
    mem_free(c->sources);
    mem_free(c->pools);
    mem_free(c->sinks);
    mem_free(c);
}
