/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - a file, its sections, and what becomes of them. */
#include "config_read.h"

#include "hash.h"
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
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

/* What is taken whatever there is to scrape and to send: by each lane, and by each worker for the message that
 * it writes.  Above the mark of new series nothing could ever be scraped. */
static void check_memory(struct config_reader *r, const struct yaml_node *root)
{
    const struct config *c = r->config;
    uint64_t fixed = 0, most = (uint64_t)c->agent.memory / 4 * 3;
    for (const struct pool_entry *p = c->pools; p < c->pools + c->pools_len; p++) {
        uint64_t largest = 0;
        for (const struct output_conf *o = p->outputs; o < p->outputs + p->outputs_len; o++) {
            if (o->sink >= c->sinks_len || !c->sinks[o->sink].ops || !c->sinks[o->sink].conf)
                return; /* that is a fault already */
            const struct sink_entry *s = &c->sinks[o->sink];
            struct lane_conf lane = {
                .sink = s->ops, .sink_conf = s->conf, .max_message = (size_t)o->max_message};
            fixed += lane_reserve(&lane);
            largest = (uint64_t)o->max_message > largest ? (uint64_t)o->max_message : largest;
        }
        fixed += (uint64_t)p->conf.workers * largest;
    }
    const struct yaml_node *agent = yaml_get(root, "agent");
    const struct yaml_node *at = agent ? yaml_get(agent, "memory") : NULL;
    if (fixed > most)
        fault_add(r->faults, at ? at : root,
                  "memory: outputs and workers take %llu MiB before anything is scraped, and more "
                  "than three quarters of %llu MiB are too much: raise agent.memory, or lower "
                  "max_message, workers, in_flight or connections",
                  (unsigned long long)(fixed >> 20), (unsigned long long)c->agent.memory >> 20);
}

static void read_sections(struct config_reader *r, const struct yaml_node *root)
{
    static const char *const keys[] = {"agent", "sources", "pools", "sinks", NULL};
    static const char *const needed[][2] = {{"sources", "what there is to scrape"},
                                            {"pools", "who scrapes, and what becomes of it"},
                                            {"sinks", "where messages can go"}};
    static const struct setting none[] = {SETTING_END};
    if (!fill_is_map(r->faults, root, "the file", false))
        return;
    (void)fill_table(r->faults, root, none, NULL, &(struct fill_more){.keys = keys});
    read_agent(r, yaml_get(root, "agent"));
    read_sinks(r, yaml_get(root, "sinks"));
    read_pools(r, yaml_get(root, "pools"));
    read_sources(r, yaml_get(root, "sources"));
    if (fault_count(r->faults) == 0)
        check_memory(r, root);
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (!yaml_get(root, needed[i][0]))
            fault_add(r->faults, root, "'%s' is missing: %s", needed[i][0], needed[i][1]);
}

static void add_twice(void *to, const struct yaml_node *key, const struct yaml_node *first)
{
    fault_add(to, key, "the key '%.100s' is there twice, first at %u:%u", key->text, first->line,
              first->column);
}

static void read_text(struct config_reader *r, struct span text)
{
    AUTO_PTR(yaml) struct yaml *y = NULL;
    struct err err;
    const struct yaml_twice twice = {add_twice, r->faults};
    if (yaml_parse_twice(&y, text, &YAML_LIMITS_DEFAULT, &twice, &err) != OK)
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

/* All of the file; one byte above the bound of yaml.h is enough to be refused there.  Not
 * blocking, for a FIFO may wait for its writer for ever. */
static enum status read_file(const char *path, struct buf *out, struct err *err)
{
    char chunk[16384];
    ssize_t n = 0;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set(err, ERR_IO, "%s", strerror(errno));
    if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(err, ERR_IO, "is no regular file");
    }
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        if (buf_add(out, chunk, (size_t)n) != OK)
            break;
    int why = errno;
    close(fd);
    return n < 0 ? err_set(err, ERR_IO, "%s", strerror(why)) : OK;
}

/* Of a whole file, which is shorter than that, or of its beginning. */
#define TEXT_MAX (YAML_LIMITS_DEFAULT.max_bytes + 16384)

uint64_t config_hash(const char *path)
{
    AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
    return read_file(path, &text, NULL) == OK ? hash_bytes(text.data, text.len) : 0;
}

enum status config_load(struct config **ret, const char *path, uint64_t *hash,
                        struct faults *faults)
{
    AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
    struct err err;
    bool good = read_file(path, &text, &err) == OK;
    if (hash)
        *hash = good ? hash_bytes(text.data, text.len) : 0;
    if (good)
        return config_parse(ret, (struct span){text.data, text.len}, faults);
    fault_add(faults, NULL, "%s", err.text);
    return ERR_INVALID;
}

static void ignore_twice(void *to, const struct yaml_node *key, const struct yaml_node *first)
{
    (void)to;
    (void)key;
    (void)first;
}

enum status config_listen(const char *path, struct buf *out, bool *ret_tls, struct err *err)
{
    AUTO_PTR(yaml) struct yaml *y = NULL;
    AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
    const struct yaml_twice twice = {ignore_twice, NULL};
    struct faults faults = {0};
    enum status s = read_file(path, &text, err);
    if (s == OK)
        s = yaml_parse_twice(&y, (struct span){text.data, text.len}, &YAML_LIMITS_DEFAULT, &twice,
                             err);
    if (s != OK)
        return s;
    const struct yaml_node *root = yaml_root(y);
    struct config_reader r = {.config = mem_alloc(sizeof *r.config), .faults = &faults};
    read_agent(&r, root && root->type == YAML_T_MAP ? yaml_get(root, "agent") : NULL);
    if (buf_puts(out, r.config->agent.listen) != OK)
        s = err_set(err, ERR_LIMIT, "agent.listen is too long");
    *ret_tls = r.config->agent.web.tls.cert[0] != '\0';
    config_free(r.config);
    faults_done(&faults);
    return s;
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
    mem_free(s->spool.path);
}

enum status config_spool_file(const struct sink_spool *s, const char *pool, const char *output,
                              struct buf *out)
{
    return buf_cat(out, s->path, "/", pool, ".", output, ".db", NULL);
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
