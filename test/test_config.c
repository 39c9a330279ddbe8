/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"
#include "config_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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
    CHECK(strstr(c->sources[0].identity, "targets: [\"http://a:1\", \"http://b:2\"]") != NULL);
    CHECK(strstr(c->sources[0].identity, "\"job\": \"node\"") != NULL);
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
    const char *text, *faults; /* without a newline at the end: how they begin */
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
     "f:1:11: no kind of source is named; one of: static, "},
    {"sources: [{name: s, statik: {}, pool: main}]\n" MIN_POOL MIN_SINK,
     "f:1:21: unknown key 'statik'; did you mean 'static'?\n"},
    {"sources: [{static: {targets: [\"http://a\"]}, pool: main}]\n" MIN_POOL MIN_SINK,
     "f:1:11: 'name' is missing: name of the source; the label job of its series\n"},
    {"sources: [{name: S_1, static: {targets: [\"http://a\"]}, pool: main}]\n" MIN_POOL MIN_SINK,
     "f:1:18: 'S_1' is no name: 1 to 63 of a-z, 0-9 and -\n"},
    {"sources: [{name: s, static: {targets: [\"gopher://x\"]}, pool: main}]\n" MIN_POOL MIN_SINK,
     "f:1:40: static: targets: the scheme is neither http nor https\n"},
    {"sources: [{name: s, static: {targets: [a b, c, \"d#\"], labels: {0x: y}}, pool: main, "
     "http: {user: a, bearer: b, tls: {key: k}, headers: {a: b, c d: e}}}]\n" MIN_POOL MIN_SINK,
     "f:1:40: static: targets: a space, control character or byte beyond ASCII in the URL\n"
     "f:1:48: static: targets: a fragment (#) in the URL\n"
     "f:1:63: static: labels: '0x' is no name of a label\n"
     "f:1:109: http: user and bearer exclude each other\n"
     "f:1:123: http: tls: cert and key go together\n"
     "f:1:143: http: headers: 'c d' is no name of a header\n"},
    {"sources: [{static: {targets: [a b]}, pool: main, interval: x, http: {headers: {a b: "
     "c}}}]\n" MIN_POOL MIN_SINK,
     "f:1:11: 'name' is missing: name of the source; the label job of its series\n"
     "f:1:31: static: targets: a space, control character or byte beyond ASCII in the URL\n"
     "f:1:60: interval: 'x' is not a number\n"
     "f:1:80: http: headers: 'a b' is no name of a header\n"},
    {"sources: [{name: s, static: {targets: [a b]}, pool: main, "
     "http: {password: x, gzip: y}}]\n" MIN_POOL MIN_SINK,
     "f:1:40: static: targets: a space, control character or byte beyond ASCII in the URL\n"
     "f:1:85: gzip: 'y' is neither true nor false\n"},
    {MIN_SOURCE MIN_POOL "sinks: [{name: out, file: {path: \"\", mode: \"9\"}}]\n",
     "f:3:34: file: path: empty or too long\n"
     "f:3:44: file: mode: '9' is no octal number like 0640\n"},
    {MIN_SOURCE MIN_POOL "sinks: [{name: out, nats: {servers: [\"nats://\", good, \"http://x\"],\n"
                         "  subject: \"{\", inbox_prefix: a.,\n"
                         "  user: u, token: t, nkey: N, name: \"a\\\"\", tls: {cert: c},\n"
                         "  jetstream: {duplicate_window: 1m, create: true}}}]\n",
     "f:3:38: nats: servers: 'nats://' has no host\n"
     "f:3:55: nats: servers: 'http://x' is neither nats:// nor tls://\n"
     "f:4:12: nats: subject: column 1: '{' is not closed\n"
     "f:4:31: nats: inbox_prefix: 'a.' is no subject\n"
     "f:5:28: nats: nkey and seed go together\n"
     "f:5:28: nats: user, token, creds and nkey exclude each other\n"
     "f:5:37: nats: name: quotes, backslashes and line breaks are not taken\n"
     "f:5:56: nats: tls: cert and key go together\n"
     "f:6:33: nats: jetstream: duplicate_window: without the name of the stream\n"
     "f:6:45: nats: jetstream: create: without the name of the stream\n"},
    {MIN_SOURCE MIN_POOL
     "sinks: [{name: out, nats: {servers: [], password: p, seed: s, subject: a..b,\n"
     "  tls: {key: k}, jetstream: {stream: a.b}}}]\n",
     "f:3:37: nats: servers: none\n"
     "f:3:51: nats: password: without user\n"
     "f:3:60: nats: nkey and seed go together\n"
     "f:3:72: nats: subject: 'a..b' is no subject to publish to\n"
     "f:4:14: nats: tls: cert and key go together\n"
     "f:4:38: nats: jetstream: stream: 'a.b' is no name of a stream\n"},
    {MIN_SOURCE
     "pools: [{name: main, outputs: [{json: , sink: a}, {statsd: , sink: a}]},\n"
     "  {name: more, outputs: [{json: , sink: b}, {json: , sink: c}]}]\n"
     "sinks: [{name: a, file: {path: /nowhere/x}}, {name: b, file: {path: /nowhere/x}},\n"
     "  {name: c, file: {path: /nowhere/y}}]\n",
     "f:2:68: a second output into '/nowhere/x', which takes only one: output 'json-a' of pool "
     "'main' goes there\n"
     "f:3:41: a second output into '/nowhere/x', which takes only one: output 'json-a' of pool "
     "'main' goes there\n"},
    {MIN_SOURCE "pools: [{name: main, outputs: [{json: , sink: a}, {statsd: , sink: a}]}]\n"
                "sinks: [{name: a, file: {path: /dev/null}}]\n",
     ""},
    {MIN_SOURCE "pools: [{name: main, outputs: [{json: , sink: a}, {statsd: , sink: a},\n"
                "  {name: b, statsd: {tags: none}, sink: a, replicas: true}]}]\n"
                "sinks: [{name: a, statsd: {address: \"[::1]:8125\"}}]\n",
     "f:2:39: json does not go into statsd, which takes only statsd\n"
     "f:3:54: replicas: not with statsd: counters go out as increments between the agent's own "
     "scrapes, so the messages of two agents differ\n"},
    {MIN_SOURCE MIN_POOL "sinks: [{name: out, statsd: {network: unix, address: a, datagram: 9}}]\n",
     "f:2:39: json does not go into statsd, which takes only statsd\n"
     "f:3:54: statsd: address: 'a' is neither an absolute path nor @NAME, as unix needs it\n"
     "f:3:67: statsd: datagram: unix has no datagrams\n"},
    {MIN_SOURCE
     "pools: [{name: main, outputs: [{statsd: {prefix: \"a b\"}, sink: out}]}]\n" MIN_SINK,
     "f:2:33: statsd: prefix: 'a b' has white space or one of :|@#,;=\n"},
    {MIN_SOURCE "pools: [{name: main, outputs: [{remote_write: , sink: out}]}]\n" MIN_SINK,
     "f:2:47: remote_write does not go into stdout, only into http, nats, kafka\n"},
    {MIN_SOURCE "pools: [{name: main, outputs: [{json: , sink: nope}, {statsd: , sink: a}]}]\n"
                "sinks: [{name: a, file: {path: /nowhere/x}}]\n",
     "f:2:47: no sink is named 'nope'; known: a\n"},
    {"agent: {}\n", "f:1:1: 'pools' is missing: who scrapes, and what becomes of it\n"
                    "f:1:1: 'sinks' is missing: where messages can go\n"
                    "f:1:1: 'sources' is missing: what there is to scrape\n"},
    {MIN "agent: {cluster: a, cluster: b, grace: x, cluster: c}\nsinks: []\n",
     "f:4:21: the key 'cluster' is there twice, first at 4:9\n"
     "f:4:40: grace: 'x' is not a number\n"
     "f:4:43: the key 'cluster' is there twice, first at 4:9\n"
     "f:5:1: the key 'sinks' is there twice, first at 3:1\n"},
    {MIN "agent: {grace: x, grace: y}\nagent: [\n",
     "f:4:19: the key 'grace' is there twice, first at 4:9\n"
     "f:6:1: did not find expected node content, while parsing a flow node that begins at 6:1\n"},
    {MIN "agent: {labels: {a: [], b: {}}}\n",
     "f:4:21: a: one value is wanted (string), not a list\n"
     "f:4:28: b: one value is wanted (string), not a map\n"},
    {"sources: [{name: s, static: {targets: [\"http://a\"]}, pool: mian}]\n" MIN_POOL MIN_SINK,
     "f:1:60: no pool is named 'mian'; did you mean 'main'?\n"},
    {"sources: [{name: s, static: {targets: [\"http://a\"]}, pool: main, interval: 5s, "
     "timeout: 6s}]\n" MIN_POOL MIN_SINK,
     "f:1:89: timeout is above interval (6000 > 5000 ms)\n"},
    {"sources: [{name: s, static: {targets: [\"http://a\"]}, pool: main, "
     "http: {user: a, bearer: b}}]\n" MIN_POOL MIN_SINK,
     "f:1:90: http: user and bearer exclude each other\n"},
    {MIN_SOURCE "pools: [{name: main}]\n" MIN_SINK,
     "f:2:9: a pool needs at least one of 'outputs'\n"},
    {MIN_SOURCE "pools: [{name: main, outputs: [{sink: out}]}]\n" MIN_SINK,
     "f:2:32: no kind of encoder is named; one of: json, "},
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
    {MIN_SOURCE MIN_POOL "sinks: [{name: out, fluent: {servers: [a]}}]\n",
     "f:2:39: json does not go into fluent, which takes only fluent\n"},
    {MIN_SOURCE
     "pools: [{name: main, outputs: [{fluent: {tag: \"a b\"}, sink: out}]}]\n"
     "sinks: [{name: out, fluent: {servers: [a, \"udp://b\"], user: me, tls: {ca: x}}}]\n",
     "f:2:33: fluent: tag: 'a b' has white space\n"
     "f:3:43: fluent: servers: 'udp://b' is none of tcp://, tls://, unix://\n"
     "f:3:61: fluent: user: without shared_key\n"
     "f:3:75: fluent: tls: ca: without a server of tls://\n"},
    {MIN_SOURCE MIN_POOL "sinks: [{name: out, stdout: , buffer: 100KiB}]\n",
     "f:2:32: the buffer of sink 'out' (102400 bytes) is smaller than one message (524288 "
     "bytes)\n"},
    {"agent: {memory: 16MiB}\n" MIN_SOURCE
     "pools: [{name: main, workers: 30, outputs: [{json: , sink: out}]}]\n" MIN_SINK,
     "f:1:17: memory: outputs and workers take 15 MiB before anything is scraped, and more than "
     "three quarters of 16 MiB are too much: raise agent.memory, or lower max_message, workers, "
     "in_flight or connections\n"},
    {MIN_SOURCE MIN_POOL "sinks: [{name: out, stdout: }, {name: out, stdout: }]\n",
     "f:3:39: a second sink named 'out'\n"},
    {MIN_SOURCE MIN_POOL "sinks: [{name: out, stdout: , spool: {path: /x, size: 7MiB}}]\n",
     "f:2:32: the spool of sink 'out' (7340032 bytes) is smaller than 16 messages (524288 bytes "
     "each)\n"},
    {MIN_SOURCE MIN_POOL "sinks: [{name: out, stdout: , spool: {mode: never, size: 9}}]\n",
     "f:3:45: mode: 'never' is none of: overflow, always\n"
     "f:3:58: size: '9' is out of range, 1MiB to 1024GiB\n"},
    {MIN_SOURCE "pools: [{name: main, filters: [{clip: {min: 2, max: 1}}], outputs: [{json: , "
                "sink: out}]}]\n" MIN_SINK,
     "f:2:45: clip: min 2 is above max 1\n"},
    {MIN_SOURCE "pools: [{name: main, outputs: [{json: , sink: out}], filters: [\n"
                "  {clip: {min: 2, max: 1, regex: \"(\", kinds: [gauge, a, b]}}]}]\n" MIN_SINK,
     "f:3:16: clip: min 2 is above max 1\n"
     "f:3:34: clip: regex '(': missing closing parenthesis, at character 1\n"
     "f:3:54: clip: kinds: 'a' is none of: untyped, gauge, counter, histogram, gaugehistogram, "
     "summary, info, stateset\n"
     "f:3:57: clip: kinds: 'b' is none of: untyped, gauge, counter, histogram, gaugehistogram, "
     "summary, info, stateset\n"},
    {"sources: [{name: s, file: {files: [a, \"\", b, \"\"]}, pool: main}]\n" MIN_POOL MIN_SINK,
     "f:1:39: file: files: number 2 is empty\n"
     "f:1:46: file: files: number 4 is empty\n"},
    {MIN_SOURCE "pools: [{name: main, filters: [{}], outputs: [{json: , sink: out}]}]\n" MIN_SINK,
     "f:2:32: no kind of filter is named; one of: clamp, "},
    {MIN_SOURCE "pools: [{name: main, workers: 65, outputs: [{json: , sink: out}]}]\n" MIN_SINK,
     "f:2:31: workers: '65' is out of range, 1 to 64\n"},
    {MIN_SOURCE "pools: [{name: main, outputs: [{json: {mode: xml}, sink: out}]}]\n" MIN_SINK,
     "f:2:46: mode: 'xml' is none of: ndjson, array"},
    {MIN_SOURCE MIN_POOL "sinks: [{name: out, stdout: , x\x1b[31m: 1}]\n",
     "f:3:32: control characters are not allowed\n"},
    {MIN_SOURCE MIN_POOL "sinks: [{name: out, stdout: , \"x\\e\\n\": 1}]\n",
     "f:3:31: unknown key 'x?\?'; known: name, buffer, spool, stdout"},
};

TEST(each_fault_is_named_with_its_place)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *said = faults_of(cases[i].text);
        size_t n = strlen(cases[i].faults);
        if (n > 0 && cases[i].faults[n - 1] != '\n' && strncmp(said, cases[i].faults, n) == 0)
            continue;
        CHECK_STR(said, cases[i].faults);
    }
}

TEST(all_faults_come_in_one_go_in_the_order_of_the_file)
{
    CHECK_STR(faults_of("agent: {grace: x}\n"
                        "sources: [{name: s, static: {targets: [\"http://a\"]}, pool: nope}]\n"
                        "pools: [{name: main, filters: [{clip: {mim: 1, max: y}}],\n"
                        "  outputs: [{json: , sink: nope}]}]\n"
                        "sinks: [{name: OUT, stdout: {header: maybe}}]\n"),
              "f:1:16: grace: 'x' is not a number\n"
              "f:2:60: no pool is named 'nope'; known: main\n"
              "f:3:40: unknown key 'mim'; did you mean 'min'?\n"
              "f:3:53: max: 'y' is not a number\n"
              "f:4:28: no sink is named 'nope'; known: OUT\n"
              "f:5:16: 'OUT' is no name: 1 to 63 of a-z, 0-9 and -\n"
              "f:5:38: header: 'maybe' is neither true nor false\n");
}

TEST(more_faults_than_can_be_kept_are_counted)
{
    struct faults f = {0};
    struct config *c = NULL;
    AUTO(buf) struct buf text = BUF_INIT(1 << 16), said = BUF_INIT(1 << 16);
    CHECK_INT(buf_puts(&text, MIN "agent:\n"), OK);
    for (int i = 0; i < FAULTS_MAX + 7; i++)
        CHECK_INT(buf_printf(&text, "  x%d: 1\n", i), OK);
    CHECK_INT(config_parse(&c, (struct span){text.data, text.len}, &f), ERR_INVALID);
    CHECK_INT(f.len, FAULTS_MAX);
    CHECK_INT(f.more, 7);
    faults_print(&f, "f", &said);
    CHECK(strstr(said.data, "\nf: and 7 more\n") != NULL);
    faults_done(&f);
    CHECK_INT(f.len, 0);
}

/* value stands for the cluster's name. */
static const char *cluster_of(const char *value)
{
    static char cluster[200];
    AUTO(buf) struct buf text = BUF_INIT(4096);
    CHECK_INT(buf_cat(&text, MIN "agent:\n  cluster: ", value, "\n", NULL), OK);
    AUTO_PTR(config) struct config *c = good(text.data);
    snprintf(cluster, sizeof cluster, "%s", c->agent.cluster);
    return cluster;
}

TEST(variables_are_expanded_in_values)
{
    setenv("CONFIG_TEST", "blue", 1);
    setenv("CONFIG_TEST_EMPTY", "", 1);
    unsetenv("CONFIG_TEST_UNSET");
    CHECK_STR(cluster_of("\"${CONFIG_TEST}\""), "blue");
    CHECK_STR(cluster_of("a-${CONFIG_TEST}-${CONFIG_TEST}"), "a-blue-blue");
    CHECK_STR(cluster_of("\"${CONFIG_TEST_UNSET:-green}\""), "green");
    CHECK_STR(cluster_of("\"${CONFIG_TEST_EMPTY:-green}\""), "green");
    CHECK_STR(cluster_of("\"${CONFIG_TEST:-green}\""), "blue");
    CHECK_STR(cluster_of("\"x${CONFIG_TEST_EMPTY}${CONFIG_TEST_UNSET:-}\""), "x");
    CHECK_STR(cluster_of("\"$${CONFIG_TEST}\""), "${CONFIG_TEST}");
    CHECK_STR(cluster_of("\"a$ $b $$c$$$\""), "a$ $b $c$$");
    CHECK_STR(cluster_of("file:/etc/hostname"), "file:/etc/hostname"); /* no secret */
}

TEST(a_variable_that_is_not_there_is_a_fault)
{
    unsetenv("CONFIG_TEST_UNSET");
    setenv("CONFIG_TEST_BYTES", "\xff", 1);
    CHECK_STR(faults_of(MIN "agent: {cluster: \"${CONFIG_TEST_UNSET}\"}\n"),
              "f:4:18: cluster: the environment has no CONFIG_TEST_UNSET\n");
    CHECK_STR(faults_of(MIN "agent: {cluster: \"${CONFIG_TEST_BYTES}\"}\n"),
              "f:4:18: cluster: CONFIG_TEST_BYTES of the environment is no UTF-8\n");
    CHECK_STR(faults_of(MIN "agent: {cluster: \"${A\"}\n"), "f:4:18: cluster: '${A' has no '}'\n");
    CHECK_STR(faults_of(MIN "agent: {cluster: \"${}\"}\n"),
              "f:4:18: cluster: '${}' is no variable; write ${NAME} or ${NAME:-default}, and $$ "
              "for a dollar\n");
    CHECK(faults_of(MIN "agent: {cluster: \"${1A}\"}\n")[0] != '\0');
    CHECK(faults_of(MIN "agent: {cluster: \"${A-b}\"}\n")[0] != '\0');
    CHECK(faults_of(MIN "agent: {${HOME}: x}\n")[0] != '\0'); /* not in keys */
}

TEST(bounds_on_what_there_may_be)
{
    AUTO(buf) struct buf text = BUF_INIT(1 << 20);
    CHECK_INT(buf_puts(&text, MIN_SOURCE MIN_SINK "pools:\n- name: main\n  filters:\n"), OK);
    for (int i = 0; i < 33; i++)
        CHECK_INT(buf_puts(&text, "  - clip: {min: 1}\n"), OK);
    CHECK_INT(buf_puts(&text, "  outputs:\n"), OK);
    for (int i = 0; i < 256; i++)
        CHECK_INT(buf_printf(&text, "  - {name: n%d, json: , sink: out}\n", i), OK);
    CHECK_INT(buf_puts(&text, "agent:\n  labels:\n"), OK);
    for (int i = 0; i < 65; i++)
        CHECK_INT(buf_printf(&text, "    l%d: x\n", i), OK);
    CHECK_STR(faults_of(text.data), "f:38:5: more than 32 filters in a pool\n"
                                    "f:295:5: more than 255 outputs in all pools\n"
                                    "f:298:5: labels: 65 of them, the most is 64\n");
}

TEST(a_name_has_at_most_63_bytes)
{
    char text[400], name[65];
    memset(name, 'a', sizeof name);
    for (int n = 63; n <= 64; n++) {
        snprintf(text, sizeof text,
                 MIN_SOURCE MIN_POOL "sinks: [{name: out, stdout: }, "
                                     "{name: %.*s, stdout: }]\n",
                 n, name);
        CHECK_INT(faults_of(text)[0] != '\0', n == 64);
    }
}

static void check_junk(const char *text, size_t len)
{
    struct faults f = {0};
    struct config *c = NULL;
    CHECK_INT(config_parse(&c, (struct span){text, len}, &f), ERR_INVALID);
    CHECK(c == NULL && f.len >= 1 && f.items[0].line > 0);
    faults_done(&f);
}

TEST(junk_is_an_error_with_a_place)
{
    enum { N = 1 << 20 };
    static char text[N];
    static const char *const bombs[] = {
        "a: &a [1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c "
        "[*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e "
        "[*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\n",
        "\xff\xfe",
        "a: \"\\0\"\n",
        "{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{",
        "- - - -",
        "&a *a",
        "%",
        "!!python/object:x {}"};
    for (size_t i = 0; i < ARRAY_LEN(bombs); i++)
        check_junk(bombs[i], strlen(bombs[i]));
    check_junk("a\0b", 3);
    static const char fill[] = {'x', '[', '{', '-', '\n', ' ', ':', '\t', '\0', '\xff', '"', '\''};
    for (size_t i = 0; i < sizeof fill; i++) {
        memset(text, fill[i], N);
        check_junk(text, i == 4 || i == 5 ? 0 : N / 16);
    }
    for (size_t i = 0; i < N; i++)
        text[i] = (char)(i * 2654435761U >> 13);
    check_junk(text, N);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

/* What is wrong with a file as a whole; "" when it is good. */
static const char *load_fault(const char *path, uint64_t *hash)
{
    static char said[200];
    struct faults f = {0};
    struct config *c = NULL;
    said[0] = '\0';
    if (config_load(&c, path, hash, &f) != OK) {
        CHECK_INT(f.len, 1);
        CHECK_INT(f.items[0].line, 0);
        snprintf(said, sizeof said, "%s", f.items[0].text);
    }
    faults_done(&f);
    config_free(c);
    return said;
}

TEST(only_a_regular_file_is_loaded)
{
    char dir[] = "/tmp/test_config_XXXXXX", path[60], fifo[60];
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/f", dir);
    snprintf(fifo, sizeof fifo, "%s/fifo", dir);
    write_file(path, MIN);
    CHECK_INT(mkfifo(fifo, 0600), 0);
    uint64_t hash = 1;
    CHECK_STR(load_fault(path, NULL), "");
    CHECK_STR(load_fault(fifo, &hash), "is no regular file"); /* nobody writes: no waiting */
    CHECK_INT(hash, 0);
    CHECK_STR(load_fault(dir, NULL), "is no regular file");
    CHECK_INT(config_hash(fifo), 0);
    unlink(fifo);
    unlink(path);
    CHECK_STR(load_fault(path, NULL), "No such file or directory");
    rmdir(dir);
}

TEST(a_load_tells_the_hash_of_what_it_read)
{
    char path[] = "/tmp/test_config_XXXXXX";
    uint64_t first = 0, second = 0;
    struct faults f = {0};
    struct config *c = NULL;
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    write_file(path, MIN);
    CHECK_STR(load_fault(path, &first), "");
    CHECK(first != 0 && first == config_hash(path));
    write_file(path, MIN "agent: {cluser: x}\n");
    CHECK_INT(config_load(&c, path, &second, &f), ERR_INVALID);
    CHECK(second != first && second == config_hash(path));
    faults_done(&f);
    unlink(path);
    CHECK_INT(config_hash(path), 0);
}

TEST(listen_is_told_of_a_file_with_faults)
{
    static const struct {
        const char *text, *listen;
    } files[] = {
        {MIN, "127.0.0.1:9690"},
        {"agent: {listen: \":1\", memoryy: 2}\nsinks: 7\nagent: {listen: \":3\"}\n", ":1"},
        {"agent: {listen: \"\"}\n", ""},
        {"agent: {listen: {}}\n", "127.0.0.1:9690"},
        {"agent:\n", "127.0.0.1:9690"},
        {"[agent]\n", "127.0.0.1:9690"},
        {"", "127.0.0.1:9690"},
    };
    char path[] = "/tmp/test_config_XXXXXX";
    struct err err;
    bool tls = true;
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        AUTO(buf) struct buf out = BUF_INIT(100);
        write_file(path, files[i].text);
        CHECK_INT(config_listen(path, &out, &tls, &err), OK);
        CHECK(!tls);
        CHECK_STR(out.data, files[i].listen);
    }
    AUTO(buf) struct buf few = BUF_INIT(5);
    write_file(path, "agent: {listen");
    CHECK_INT(config_listen(path, &few, &tls, &err), ERR_INVALID);
    write_file(path, MIN);
    CHECK_INT(config_listen(path, &few, &tls, &err), ERR_LIMIT);
    unlink(path);
    CHECK_INT(config_listen(path, &few, &tls, &err), ERR_IO);
    CHECK_INT(few.len, 0);
}
