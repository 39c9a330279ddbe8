/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - the configuration file, read, checked and resolved.
 *
 *     struct config *c;
 *     struct faults faults = {0};
 *     if (config_load(&c, path, NULL, &faults) != OK) ... print all of faults ...
 *
 * YAML by yaml.h; every table of settings.h names its own keys, so this file knows only what
 * stands around them.  ${ENV} in values: unset is a fault, ${ENV:-default} and $$ as in a
 * shell.  All faults of a file are found in one go, each with its place; a file with one fault is
 * refused whole.  Two things hide faults: what is no YAML hides all that is not YAML's; a setting
 * without a value hides what the settings beside it have against each other.  Each filter,
 * encoder, sink and source is opened once, to check its settings, and closed; nothing is
 * connected.  */
#ifndef CONFIG_H
#define CONFIG_H

#include "discover.h"
#include "log.h"
#include "pool.h"

struct log_conf {
    unsigned level, format; /* enum log_level, enum log_format */
};

struct agent_conf {
    char *listen; /* "127.0.0.1:9690", "[::1]:0"; "": no HTTP */
    char *cluster;
    char *instance;        /* never "": $NODE_NAME, else the host's name */
    int64_t memory, grace; /* bytes, ns */
    unsigned first_scrape; /* FIRST_SPREAD, FIRST_NOW */
    struct text_map labels;
    bool sandbox, core_dumps;
    struct http_server_conf web;
    struct log_conf log;
};
enum { FIRST_SPREAD, FIRST_NOW };
extern const struct setting agent_settings[];

struct filter_conf {
    const struct filter_ops *ops;
    void *conf;
};

struct output_conf {
    char *name; /* default <encoder>-<sink> */
    const struct encoder_ops *encoder;
    void *encoder_conf;
    char *encoder_text;               /* setting_identity of it: goes into ids */
    size_t sink;                      /* index in config->sinks */
    int64_t max_message, max_samples; /* resolved: never 0 */
    bool replicas;
    char *identity; /* of all that a lane is made of, the sink's entry too */
};

struct pool_entry {
    struct pool_conf conf;
    struct filter_conf *filters;
    size_t filters_len;
    struct output_conf *outputs;
    size_t outputs_len;
    char *identity; /* of all that a pool is made of, but the lanes */
};

struct sink_spool {
    char *path;                          /* a folder; "": no spool */
    int64_t size, max_age, backlog_rate; /* bytes, ns, bytes a second */
    unsigned mode;                       /* enum lane_spool_mode */
    unsigned synchronous;                /* SPOOL_NORMAL, SPOOL_FULL */
    bool fresh_first;
};
enum { SPOOL_NORMAL, SPOOL_FULL };

/* PATH/POOL.OUTPUT.db, behind what out holds. */
enum status config_spool_file(const struct sink_spool *s, const char *pool, const char *output,
                              struct buf *out) NODISCARD;

struct sink_entry {
    char *name;
    const struct sink_ops *ops;
    void *conf;
    int64_t buffer; /* bytes, of each lane */
    struct sink_spool spool;
};

struct config {
    struct agent_conf agent;
    struct source_conf *sources;
    size_t sources_len;
    struct pool_entry *pools;
    size_t pools_len;
    struct sink_entry *sinks;
    size_t sinks_len;
};

struct fault {
    unsigned line, column; /* 0: of the file as a whole */
    char *text;
};
#define FAULTS_MAX 100 /* further ones are counted, not kept */
struct faults {
    struct fault *items;
    size_t len, more;
};
void faults_done(struct faults *f);
/* Adds "path:line:column: text\n" for each, behind what out holds. */
void faults_print(const struct faults *f, const char *path, struct buf *out);

/* OK, or ERR_INVALID with at least one fault. */
enum status config_parse(struct config **ret, struct span text, struct faults *faults) NODISCARD;
/* Likewise; a file that cannot be read, or is no regular one, is a fault of place 0.  *hash (NULL:
 * not wanted) becomes config_hash of the very text that was read, good or not. */
enum status config_load(struct config **ret, const char *path, uint64_t *hash,
                        struct faults *faults) NODISCARD;
/* agent.listen of a file, behind what out holds; "": no HTTP.  *ret_tls: whether TLS is spoken there.  The rest of the file may be faulty, since
 * an agent runs on when its file goes bad; a listen without a value counts as its default.
 * ERR_IO: the file cannot be read; ERR_INVALID, ERR_LIMIT: it is no YAML; ERR_LIMIT also: no room. */
enum status config_listen(const char *path, struct buf *out, bool *ret_tls,
                          struct err *err) NODISCARD;
/* Differs when the text of the file does; 0 when it cannot be read. */
uint64_t config_hash(const char *path);
void config_free(struct config *c); /* NULL is fine */
DEFINE_AUTO_PTR(config, config_free)

/* The resolved pipeline, for people and programs (strata-agent describe). */
enum describe_format { DESCRIBE_TEXT, DESCRIBE_JSON, DESCRIBE_DOT, DESCRIBE_YAML };
enum status config_describe(const struct config *c, enum describe_format format,
                            struct buf *out) NODISCARD;

/* Every setting there is, with type, default, bounds and help: as text for a terminal, and as
 * docs/SETTINGS.md. */
enum status config_settings(bool markdown, struct buf *out) NODISCARD;

/* A JSON Schema (draft-07) of the file, one line.  It refuses nothing that is good, but a string
 * setting whose value others read as a number or a truth: that wants quotes.  What hangs on other
 * settings, on the environment or on a check of a kind, it lets pass. */
enum status config_schema(struct buf *out) NODISCARD;

#endif
