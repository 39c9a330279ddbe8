/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"
#include "config.h"
#include "sources_standin.h"
#include "test.h"

#include <unistd.h>

#define MIN_SOURCE "sources: [{name: s, static: {targets: [\"http://a\"]}, pool: main}]\n"
#define MIN_POOL   "pools: [{name: main, outputs: [{json: , sink: out}]}]\n"
#define MIN_SINK   "sinks: [{name: out, stdout: }]\n"
#define MIN        MIN_SOURCE MIN_POOL MIN_SINK

static enum status parse(struct config **ret, const char *text, struct faults *f)
{
    return config_parse(ret, (struct span){text, strlen(text)}, f);
}

/* "LINE:COLUMN: text\n" of every fault; "" for a good file. */
static const char *faults_of(const char *text)
{
    static char said[8192];
    AUTO(buf) struct buf b = BUF_INIT(sizeof said - 1);
    struct faults f = {0};
    struct config *c = NULL;
    enum status s = parse(&c, text, &f);
    faults_print(&f, "f", &b);
    size_t faults = f.len;
    faults_done(&f);
    config_free(c);
    CHECK_INT(s, faults ? ERR_INVALID : OK);
    CHECK((c != NULL) == (s == OK));
    memcpy(said, b.data, b.len + 1);
    return said;
}

static struct config *good(const char *text)
{
    struct faults f = {0};
    struct config *c = NULL;
    if (parse(&c, text, &f) != OK)
        test_fail(__FILE__, __LINE__, "%u:%u: %s", f.items[0].line, f.items[0].column,
                  f.items[0].text);
    return c;
}

TEST(the_defaults_of_the_design)
{
    unsetenv("NODE_NAME");
    AUTO_PTR(config) struct config *c = good(MIN);
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    CHECK_STR(c->agent.listen, "127.0.0.1:9690");
    CHECK_STR(c->agent.cluster, "");
    CHECK_STR(c->agent.instance, host);
    CHECK_INT(c->agent.memory, 256 << 20);
    CHECK_INT(c->agent.grace, 20 * SEC_NS);
    CHECK_INT(c->agent.first_scrape, FIRST_SPREAD);
    CHECK_INT(c->agent.log.level, LOG_INFO);
    CHECK_INT(c->agent.log.format, LOG_LOGFMT);

    const struct source_common *s = &c->sources[0].common;
    CHECK_STR(s->pool, "main");
    CHECK_INT(s->interval, 30 * SEC_NS);
    CHECK_INT(s->timeout, 10 * SEC_NS);
    CHECK_INT(s->min_interval, 5 * SEC_NS);
    CHECK_INT(s->targets, 2000);
    CHECK_INT(s->sample_limit, 0);
    CHECK(!s->honor_labels && s->honor_timestamps && s->http.tls.verify && !s->http.gzip);

    const struct pool_conf *p = &c->pools[0].conf;
    CHECK_INT(p->workers, 2);
    CHECK_INT(p->in_flight, 64);
    CHECK_INT(p->queue.items, 10000);
    CHECK_INT(p->limits.body, 16 << 20);
    CHECK_INT(p->limits.samples, 50000);
    CHECK_INT(p->limits.series, 100000);
    CHECK_INT(p->limits.labels, 64);
    CHECK_INT(p->limits.label_name, 512);
    CHECK_INT(p->limits.label_value, 4 << 10);
    CHECK_INT(p->limits.line, 1 << 20);
    CHECK_INT(p->limits.new_series, 50000);
    CHECK_INT(p->limits.names, 10000);
    CHECK_INT(p->limits.page, 64 << 20);

    const struct output_conf *o = &c->pools[0].outputs[0];
    CHECK_STR(o->name, "json-out");
    CHECK_STR(o->encoder->name, "json");
    CHECK_INT(o->sink, 0);
    CHECK_INT(o->max_message, 512 << 10);
    CHECK(!o->replicas && o->max_samples > 0);
    CHECK_STR(c->sinks[0].name, "out");
    CHECK_STR(c->sinks[0].ops->name, "stdout");
    CHECK_INT(c->sinks[0].buffer, 32 << 20);
}

TEST(what_is_written_counts)
{
    setenv("NODE_NAME", "node-7", 1);
    AUTO_PTR(config)
    struct config *c =
        good("agent: {listen: \"[::1]:0\", cluster: prod, labels: {zone: a}, log: {level: debug}}\n"
             "sources:\n"
             "- name: hosts\n"
             "  static: {targets: [\"http://a:1\", \"http://b:2\"], labels: {job: node}}\n"
             "  interval: 5s\n"
             "  pool: main\n"
             "  http: {bearer: \"file:/no/such/file\", headers: {X-A: b}, tls: {verify: false}}\n"
             "pools:\n"
             "- name: main\n"
             "  workers: 3\n"
             "  limits: {body: 1MiB}\n"
             "  filters:\n"
             "  - clip: {match: \"a_*\", min: -50, max: 150}\n"
             "  - clamp: {min: 0, max: 1}\n"
             "  outputs:\n"
             "  - {name: one, json: {mode: array}, sink: out, max_message: 64KiB, replicas: true}\n"
             "  - {statsd: {prefix: \"k8s.\"}, sink: out}\n" MIN_SINK);
    unsetenv("NODE_NAME");
    CHECK_STR(c->agent.instance, "node-7");
    CHECK_INT(c->agent.log.level, LOG_DEBUG);
    CHECK_STR(c->agent.labels.items[0].value, "a");
    const struct standin_conf *s = c->sources[0].conf;
    CHECK_INT(s->targets.len, 2);
    CHECK_STR(s->labels.items[0].name, "job");
    CHECK_INT(c->sources[0].common.timeout, 5 * SEC_NS);
    CHECK_STR(c->sources[0].common.http.bearer, "file:/no/such/file");
    CHECK(!c->sources[0].common.http.tls.verify);
    const struct pool_entry *p = &c->pools[0];
    CHECK_INT(p->conf.workers, 3);
    CHECK_INT(p->conf.limits.body, 1 << 20);
    CHECK_INT(p->conf.limits.series, 100000);
    CHECK_INT(p->filters_len, 2);
    CHECK_STR(p->filters[1].ops->name, "clamp");
    CHECK_INT(p->outputs_len, 2);
    CHECK(p->outputs[0].replicas);
    CHECK_INT(p->outputs[0].max_message, 64 << 10);
    CHECK_STR(p->outputs[1].name, "statsd-out");
    CHECK(strstr(p->outputs[1].encoder_text, "k8s.") != NULL);
}

static const struct fault_case {
    const char *text, *faults; /* NULL: any */
} cases[] = {
    {"", "f:1:1: the file is empty: sources, pools and sinks are needed\n"},
    {"# nothing\n", "f:1:1: the file is empty: sources, pools and sinks are needed\n"},
    {"just words\n", "f:1:1: the file is a map (key: value), not a single value\n"},
    {"a: [\n", "f:2:1: did not find expected node content, while parsing a flow node that "
               "begins at 2:1\n"},
    {MIN "agnet: {}\n", "f:4:1: unknown key 'agnet'; did you mean 'agent'?\n"},
    {MIN "agent: {cluser: a}\n", "f:4:9: unknown key 'cluser'; did you mean 'cluster'?\n"},
    {MIN "agent: {grace: [1s]}\n", "f:4:16: grace: one value is wanted (duration), not a list\n"},
    {MIN "agent: {labels: x}\n", "f:4:17: labels: a map is wanted, not a single value\n"},
    {MIN "agent: {log: 5}\n", "f:4:14: log is a map (key: value), not a single value\n"},
    {MIN "agent: {grace: }\n", "f:4:16: grace: no value; leave the key out for the default\n"},
    {MIN "agent: {grace: 2h}\n", "f:4:16: grace: '2h' is out of range, 0s to 1h\n"},
    {MIN "agent: {memory: 1KiB}\n", "f:4:17: memory: '1KiB' is out of range, 16MiB to 1024GiB\n"},
    {MIN "agent: {first_scrape: soon}\n", "f:4:23: first_scrape: 'soon' is none of: spread, now\n"},
    {MIN "agent: {labels: {0x: a}}\n", "f:4:17: labels: '0x' is no name of a label\n"},
    {MIN "agent: {listen: localhost}\n",
     "f:4:17: listen: 'localhost' is no address; write 127.0.0.1:9690, [::1]:9690 or "
     ":9690\n"},
    {MIN "agent: {listen: \"127.0.0.1:65536\"}\n",
     "f:4:17: listen: '127.0.0.1:65536' is no address; write 127.0.0.1:9690, [::1]:9690 or "
     ":9690\n"},
    {MIN_POOL MIN_SINK, "f:1:1: 'sources' is missing: what there is to scrape\n"},
    {"sources: {}\n" MIN_POOL MIN_SINK, "f:1:10: sources is a list: each entry begins with '- '\n"},
    {"sources: [x]\n" MIN_POOL MIN_SINK,
     "f:1:11: a source is a map (key: value), not a single value\n"},
    {"sources: [{name: s, pool: main}]\n" MIN_POOL MIN_SINK,
     "f:1:11: no kind of source is named; one of: static\n"},
    {"sources: [{name: s, statik: {}, pool: main}]\n" MIN_POOL MIN_SINK,
     "f:1:21: unknown key 'statik'; did you mean 'static'?\n"},
    {"sources: [{static: {targets: [\"http://a\"]}, pool: main}]\n" MIN_POOL MIN_SINK,
     "f:1:11: 'name' is missing: name; the label job of its series\n"},
    {"sources: [{name: S_1, static: {targets: [\"http://a\"]}, pool: main}]\n" MIN_POOL MIN_SINK,
     "f:1:18: 'S_1' is no name: 1 to 63 of a-z, 0-9 and -\n"},
    {"sources: [{name: s, static: {targets: [\"gopher\"]}, pool: main}]\n" MIN_POOL MIN_SINK,
     "f:1:21: static: 'gopher' is no URL\n"},
    {"sources: [{name: s, static: {targets: [\"http://a\"]}, pool: mian}]\n" MIN_POOL MIN_SINK,
     "f:1:60: no pool is named 'mian'; did you mean 'main'?\n"},
    {"sources: [{name: s, static: {targets: [\"http://a\"]}, pool: main, interval: 5s, "
     "timeout: 6s}]\n" MIN_POOL MIN_SINK,
     "f:1:89: timeout is above interval (6000 > 5000 ms)\n"},
    {"sources: [{name: s, static: {targets: [\"http://a\"]}, pool: main, "
     "http: {user: a, bearer: b}}]\n" MIN_POOL MIN_SINK,
     "f:1:72: http: user and bearer exclude each other\n"},
    {MIN_SOURCE "pools: [{name: main}]\n" MIN_SINK,
     "f:2:9: a pool needs at least one of 'outputs'\n"},
    {MIN_SOURCE "pools: [{name: main, outputs: [{sink: out}]}]\n" MIN_SINK,
     "f:2:32: no kind of encoder is named; one of: json, statsd\n"},
    {MIN_SOURCE "pools: [{name: main, outputs: [{json: , statsd: , sink: out}]}]\n" MIN_SINK,
     "f:2:41: 'statsd' beside 'json': one kind of encoder only\n"},
    {MIN_SOURCE "pools: [{name: main, outputs: [{json: }]}]\n" MIN_SINK,
     "f:2:32: 'sink' is missing: name of an entry under sinks\n"},
    {MIN_SOURCE "pools: [{name: main, outputs: [{json: , sink: uot}]}]\n" MIN_SINK,
     "f:2:47: no sink is named 'uot'; did you mean 'out'?\n"},
    {MIN_SOURCE
     "pools: [{name: main, outputs: [{json: , sink: out}, {json: , sink: out}]}]\n" MIN_SINK,
     "f:2:53: a second output named 'json-out' in this pool; give it a name\n"},
    {MIN_SOURCE
     "pools: [{name: main, outputs: [{json: , sink: out, max_message: 2MiB}]}]\n" MIN_SINK,
     "f:2:65: max_message: a stdout sink takes 1048576 bytes at most\n"},
    {MIN_SOURCE MIN_POOL "sinks: [{name: out, stdout: , buffer: 100KiB}]\n",
     "f:2:32: the buffer of sink 'out' (102400 bytes) is smaller than one message (524288 "
     "bytes)\n"},
    {MIN_SOURCE MIN_POOL "sinks: [{name: out, stdout: }, {name: out, stdout: }]\n",
     "f:3:39: a second sink named 'out'\n"},
    {MIN_SOURCE "pools: [{name: main, filters: [{clip: {min: 2, max: 1}}], outputs: [{json: , "
                "sink: out}]}]\n" MIN_SINK,
     "f:2:33: clip: min 2 is above max 1\n"},
    {MIN_SOURCE "pools: [{name: main, filters: [{}], outputs: [{json: , sink: out}]}]\n" MIN_SINK,
     "f:2:32: no kind of filter is named; one of: clamp, clip\n"},
    {MIN_SOURCE "pools: [{name: main, workers: 65, outputs: [{json: , sink: out}]}]\n" MIN_SINK,
     "f:2:31: workers: '65' is out of range, 1 to 64\n"},
    {MIN_SOURCE "pools: [{name: main, outputs: [{json: {mode: xml}, sink: out}]}]\n" MIN_SINK,
     NULL},
    {MIN_SOURCE MIN_POOL "sinks: [{name: out, stdout: , x\x1b[31m: 1}]\n", NULL},
    {MIN_SOURCE MIN_POOL "sinks: [{name: out, stdout: , \"x\\e\\n\": 1}]\n",
     "f:3:31: unknown key 'x?\?'; known: name, buffer, stdout\n"},
};

TEST(each_fault_is_named_with_its_place)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *said = faults_of(cases[i].text);
        if (cases[i].faults)
            CHECK_STR(said, cases[i].faults);
        else
            CHECK(said[0] != '\0');
    }
}
