/* SPDX-License-Identifier: Apache-2.0 */
#include "sources_test.h"

#define MAP(...)                                              \
    &(struct text_map)                                        \
    {                                                         \
        .items = (struct text_pair[]){__VA_ARGS__},           \
        .len = ARRAY_LEN(((struct text_pair[]){__VA_ARGS__})) \
    }

/* Checks url against "id url" or, for one that is refused, its message. */
static void check_url(const char *given, const struct text_map *own, const char *want)
{
    struct test_env e;
    test_env_init(&e);
    struct err err = {.text = ""};
    struct target *t = NULL;
    char got[3000];
    enum status s = source_target(&e.env, given, own, &t, &err);
    if (s == OK)
        snprintf(got, sizeof got, "%s %s", t->id, t->url);
    else
        snprintf(got, sizeof got, "%s: %s", status_name(s), err.text);
    target_unref(t);
    test_env_done(&e);
    if (strcmp(got, want) != 0)
        test_fail(__FILE__, __LINE__, "%s gives\n  %s, want\n  %s", given, got, want);
}

TEST(a_url_is_made_whole)
{
    static const char *const cases[][2] = {
        {"http://h:9100/metrics", "http://h:9100/metrics"},
        {"https://h:8443/m?a=b&c[]=d%20{x=\"y\"}", "https://h:8443/m?a=b&c[]=d%20{x=\"y\"}"},
        {"h:9100", "http://h:9100/metrics"},
        {"h", "http://h:80/metrics"},
        {"http://h", "http://h:80/metrics"},
        {"https://h", "https://h:443/metrics"},
        {"https://h/", "https://h:443/"},
        {"http://h?x=1", "http://h:80/metrics?x=1"},
        {"h:1?x=/@:1", "http://h:1/metrics?x=/@:1"},
        {"h:1/@", "http://h:1/@"},
        {"HTTPS://Host-1.Example:00443/Path", "https://host-1.example:443/Path"},
        {"h:65535/p", "http://h:65535/p"},
        {"a_b.svc.:1", "http://a_b.svc.:1/metrics"},
        {"10.0.0.1:1", "http://10.0.0.1:1/metrics"},
        {"10.1:1", "http://10.0.0.1:1/metrics"},
        {"[2001:DB8:0::1]", "http://[2001:db8::1]:80/metrics"},
        {"https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443/metrics"},
        {"http://h:80/redirect?to=http://x", "http://h:80/redirect?to=http://x"},
    };
    char want[300];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(want, sizeof want, "%s %s", cases[i][1], cases[i][1]);
        check_url(cases[i][0], NULL, want);
    }
}

static void check_sent(struct test_env *e, const char *id, const char *url, bool sent)
{
    struct err err = {.text = ""};
    struct target *t = NULL;
    struct source_found found = {.id = id, .url = url};
    CHECK_INT(source_found_target(&e->env, &found, &t, &err), sent ? OK : ERR_INVALID);
    CHECK(sent || strncmp(err.text, "plain http, but", 15) == 0);
    target_unref(t);
}

TEST(credentials_go_to_what_is_found_over_tls_only)
{
    struct test_env e;
    char token[] = "t", login[] = "u", none[] = "";
    struct text_pair header = {token, token};
    test_env_init(&e);
    struct http_conf *c = &e.common.http, plain = *c;
    check_sent(&e, "a/p", "http://h:1/m", true);
    c->bearer = token;
    check_sent(&e, "a/p", "http://h:1/m", false);
    check_sent(&e, "a/p", "https://h:1/m", true);
    check_sent(&e, NULL, "http://h:1/m", true); /* the operator's own URL */
    c->tls.verify = false;
    check_sent(&e, "a/p", "http://h:1/m", true);
    c->tls.verify = true;
    c->bearer = none;
    c->user = login;
    check_sent(&e, "a/p", "http://h:1/m", false);
    c->user = none;
    c->headers = (struct text_map){.items = &header, .len = 1};
    check_sent(&e, "a/p", "http://h:1/m", false);
    *c = plain;
    test_env_done(&e);
}

TEST(what_each_machine_has_of_its_own_gets_the_name_of_the_agent)
{
    static const char *const hosts[] = {
        "127.0.0.1",
        "127.255.1.2",
        "localhost",
        "x.localhost",
        "localhost.",
        "0.0.0.0",
        "169.254.169.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[febf::1]",
        "[fe80::1%25eth0]",
        "[::ffff:127.0.0.1]",
        "[::ffff:169.254.0.1]",
    };
    char want[300], given[100];
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        snprintf(given, sizeof given, "http://%s:1/m", hosts[i]);
        snprintf(want, sizeof want, "node-1/%s %s", given, given);
        check_url(given, NULL, want);
    }
    check_url("127.1:1/m", NULL, "node-1/http://127.0.0.1:1/m http://127.0.0.1:1/m");
    check_url("2130706433:1/m", NULL, "node-1/http://127.0.0.1:1/m http://127.0.0.1:1/m");
    check_url("LOCALHOST", NULL, "node-1/http://localhost:80/metrics http://localhost:80/metrics");
    check_url("128.0.0.1:1/m", NULL, "http://128.0.0.1:1/m http://128.0.0.1:1/m");
    check_url("169.253.0.1:1/m", NULL, "http://169.253.0.1:1/m http://169.253.0.1:1/m");
    check_url("mylocalhost:1/m", NULL, "http://mylocalhost:1/m http://mylocalhost:1/m");
    check_url("[fec0::1]:1/m", NULL, "http://[fec0::1]:1/m http://[fec0::1]:1/m");
}

TEST(what_is_no_url_is_refused_and_not_repeated)
{
    static const char *const cases[][2] = {
        {"", "no host in the URL"},
        {"http://", "no host in the URL"},
        {"http:///m", "no host in the URL"},
        {":9100", "no host in the URL"},
        {"ftp://h/", "the scheme is neither http nor https"},
        {"://h/", "the scheme is neither http nor https"},
        {"httpss://h/", "the scheme is neither http nor https"},
        {"h:", "the port is no number from 1 to 65535"},
        {"h:0", "the port is no number from 1 to 65535"},
        {"h:65536", "the port is no number from 1 to 65535"},
        {"h:+1", "the port is no number from 1 to 65535"},
        {"h:000001", "the port is no number from 1 to 65535"},
        {"mailto:a", "the port is no number from 1 to 65535"},
        {"a b:1", "a space, control character or byte beyond ASCII in the URL"},
        {"h:1/a\nb", "a space, control character or byte beyond ASCII in the URL"},
        {"h:1/\x7f", "a space, control character or byte beyond ASCII in the URL"},
        {"h:1/\xc3\xa4", "a space, control character or byte beyond ASCII in the URL"},
        {"h:1/m#x", "a fragment (#) in the URL"},
        {"h:1/a\\b", "a backslash in the URL"},
        {"h:1/%4", "a % without two hex digits in the URL"},
        {"h:1/%4g", "a % without two hex digits in the URL"},
        {"h%41:1/", "a host has letters, digits, '.', '-' and '_'"},
        {"h!:1/", "a host has letters, digits, '.', '-' and '_'"},
        {"http://u:secret@h/", "credentials in the URL: they belong into http: of the source"},
        {"secret@h:1", "credentials in the URL: they belong into http: of the source"},
        {"::1", "more than one ':'; an IPv6 address stands in brackets"},
        {"[::1", "no IPv6 address within the brackets"},
        {"[]:1", "no IPv6 address within the brackets"},
        {"[1.2.3.4]:1", "no IPv6 address within the brackets"},
        {"[1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8]",
         "no IPv6 address within the brackets"},
        {"[::1]x:1", "more than a port behind the brackets"},
        {"[::1]:", "the port is no number from 1 to 65535"},
        {"[fe80::1%eth0]:1", "a % without two hex digits in the URL"},
        {"[fe80::1%26eth0]:1", "the zone of an IPv6 address is written as %25NAME"},
        {"[fe80::1%25]:1", "the zone of an IPv6 address is written as %25NAME"},
        {"[fe80::1%25aaaaaaaaaaaaaaaa]:1", "the zone of an IPv6 address is written as %25NAME"},
    };
    char want[300];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(want, sizeof want, "invalid: %s", cases[i][1]);
        check_url(cases[i][0], NULL, want);
    }
}

TEST(a_url_and_a_host_have_a_largest_length)
{
    char url[SOURCE_URL_MAX + 100];
    memset(url, 'a', sizeof url);
    memcpy(url, "http://h:1/", 11);
    struct test_env e;
    struct target *t = NULL;
    struct err err;
    test_env_init(&e);
    url[SOURCE_URL_MAX] = '\0';
    CHECK_INT(source_target(&e.env, url, NULL, &t, &err), OK);
    CHECK_INT(strlen(t->url), SOURCE_URL_MAX);
    target_unref(t);
    url[SOURCE_URL_MAX] = 'a';
    url[SOURCE_URL_MAX + 1] = '\0';
    CHECK_INT(source_target(&e.env, url, NULL, &t, &err), ERR_INVALID);
    CHECK_STR(err.text, "a URL of more than 2048 bytes");
    /* Whole, it would be longer than it is given. */
    url[8] = '/';
    url[SOURCE_URL_MAX - 3] = '\0';
    CHECK_INT(source_target(&e.env, url + 7, NULL, &t, &err), OK);
    CHECK_INT(strlen(t->url), SOURCE_URL_MAX);
    target_unref(t);
    url[SOURCE_URL_MAX - 3] = 'a';
    url[SOURCE_URL_MAX - 2] = '\0';
    CHECK_INT(source_target(&e.env, url + 7, NULL, &t, &err), ERR_INVALID);
    CHECK_STR(err.text, "a URL of more than 2048 bytes");
    url[11 + 254] = '\0';
    CHECK_INT(source_target(&e.env, url + 11, NULL, &t, &err), ERR_INVALID);
    CHECK_STR(err.text, "a host of more than 253 bytes");
    CHECK_INT(source_target(&e.env, url + 12, NULL, &t, &err), OK);
    target_unref(t);
    test_env_done(&e);
}

TEST(scheme_path_and_parameters_may_come_from_labels)
{
    struct text_map *own = MAP({(char[]){"__scheme__"}, (char[]){"https"}},
                               {(char[]){"__metrics_path__"}, (char[]){"/probe"}},
                               {(char[]){"__param_target"}, (char[]){"a b/\xc3\xa4"}},
                               {(char[]){"__param_m"}, (char[]){""}});
    check_url("h", own,
              "https://h:443/probe?target=a%20b%2F%C3%A4&m= "
              "https://h:443/probe?target=a%20b%2F%C3%A4&m=");
    check_url("http://h/x?y=1", own,
              "http://h:80/x?y=1&target=a%20b%2F%C3%A4&m= "
              "http://h:80/x?y=1&target=a%20b%2F%C3%A4&m=");
    check_url("h", MAP({(char[]){"__metrics_path__"}, (char[]){"m?x=1"}}),
              "http://h:80/m?x=1 http://h:80/m?x=1");
    check_url("h", MAP({(char[]){"__metrics_path__"}, (char[]){""}}),
              "http://h:80/metrics http://h:80/metrics");
    check_url("h", MAP({(char[]){"__scheme__"}, (char[]){"gopher"}}),
              "invalid: the scheme is neither http nor https");
    check_url("h", MAP({(char[]){"__metrics_path__"}, (char[]){"/a b"}}),
              "invalid: a space, control character or byte beyond ASCII in the URL");
}

/* The labels as name=value,... */
static void check_labels(const struct source_env *env, const struct text_map *own, const char *want)
{
    struct target *t = NULL;
    struct err err = {.text = ""};
    AUTO(buf) struct buf got = BUF_INIT(10000);
    if (source_target(env, "h:1", own, &t, &err) != OK)
        CHECK_INT(buf_puts(&got, err.text), OK);
    for (size_t i = 0; t && i < t->labels_len; i++)
        CHECK_INT(buf_cat(&got, i ? "," : "", t->labels[i].name, "=", t->labels[i].value, NULL),
                  OK);
    target_unref(t);
    CHECK_STR(got.data, want);
}

TEST(labels_come_in_order_and_the_first_of_a_name_counts)
{
    struct test_env e;
    test_env_init(&e);
    check_labels(&e.env, NULL, "instance=h:1,job=s");
    e.env.agent.cluster = "prod";
    e.env.agent.labels =
        MAP({(char[]){"env"}, (char[]){"agent"}}, {(char[]){"zone"}, (char[]){"z"}});
    check_labels(&e.env, NULL, "instance=h:1,job=s,env=agent,zone=z,cluster=prod");
    check_labels(&e.env,
                 MAP({(char[]){"env"}, (char[]){"own"}}, {(char[]){"job"}, (char[]){"node"}},
                     {(char[]){"__meta_filepath"}, (char[]){"/x"}},
                     {(char[]){"__address__"}, (char[]){"x"}}, {(char[]){"__"}, (char[]){"x"}},
                     {(char[]){"_a1"}, (char[]){"\xc3\xa4"}}),
                 "env=own,job=node,_a1=\xc3\xa4,instance=h:1,zone=z,cluster=prod");
    check_labels(&e.env,
                 MAP({(char[]){"instance"}, (char[]){""}}, {(char[]){"zone"}, (char[]){""}}),
                 "job=s,env=agent,cluster=prod");
    e.env.agent.cluster = "";
    check_labels(&e.env, NULL, "instance=h:1,job=s,env=agent,zone=z");
    test_env_done(&e);
}

TEST(bad_labels_are_refused)
{
    struct test_env e;
    test_env_init(&e);
    static char long_value[SOURCE_VALUE_MAX + 2];
    memset(long_value, 'v', SOURCE_VALUE_MAX + 1);
    check_labels(&e.env, MAP({(char[]){"a-b"}, (char[]){"x"}}), "'a-b' is no name of a label");
    check_labels(&e.env, MAP({(char[]){"1a"}, (char[]){"x"}}), "'1a' is no name of a label");
    check_labels(&e.env, MAP({(char[]){""}, (char[]){"x"}}), "'' is no name of a label");
    check_labels(&e.env, MAP({(char[]){"a"}, (char[]){"\xff"}}), "label a: the value is not UTF-8");
    check_labels(&e.env, MAP({(char[]){"a"}, long_value}),
                 "label a: a value of more than 4096 bytes");
    long_value[SOURCE_VALUE_MAX] = '\0';
    check_labels(&e.env,
                 MAP({(char[]){"a"}, long_value}, {(char[]){"b"}, long_value},
                     {(char[]){"c"}, long_value}, {(char[]){"d"}, long_value}),
                 "labels of more than 16384 bytes");
    test_env_done(&e);
}

TEST(a_target_has_at_most_so_many_labels)
{
    struct test_env e;
    test_env_init(&e);
    static char names[1001][8];
    static struct text_pair pairs[1001];
    struct text_map own = {.items = pairs, .len = TARGET_LABELS - 2};
    for (size_t i = 0; i < 1001; i++) {
        snprintf(names[i], sizeof names[i], "l%zu", i);
        pairs[i] = (struct text_pair){names[i], names[i]};
    }
    struct target *t = NULL;
    struct err err;
    CHECK_INT(source_target(&e.env, "h", &own, &t, &err), OK);
    CHECK_INT(t->labels_len, TARGET_LABELS);
    target_unref(t);
    for (own.len = TARGET_LABELS - 1; own.len <= 1001; own.len += 937) {
        CHECK_INT(source_target(&e.env, "h", &own, &t, &err), ERR_INVALID);
        CHECK_STR(err.text, "more than 64 labels");
    }
    test_env_done(&e);
}

TEST(what_the_source_says_goes_into_its_targets)
{
    struct test_env e;
    test_env_init(&e);
    struct target *t = NULL;
    test_env_set(&e.common, "sample_limit", "9");
    test_env_set(&e.common, "honor_labels", "true");
    CHECK_INT(source_target(&e.env, "h", NULL, &t, NULL), OK);
    CHECK_STR(t->source, "s");
    CHECK_STR(t->pool, "main");
    CHECK_INT(t->interval_ns, 30 * SEC_NS);
    CHECK_INT(t->timeout_ns, 10 * SEC_NS);
    CHECK_INT(t->max_samples, 9);
    CHECK(t->honor_labels && t->honor_timestamps);
    target_unref(t);
    test_env_set(&e.common, "interval", "5s");
    CHECK_INT(source_target(&e.env, "h", NULL, &t, NULL), OK);
    CHECK_INT(t->timeout_ns, 5 * SEC_NS);
    target_unref(t);
    test_env_set(&e.common, "timeout", "2s");
    CHECK_INT(source_target(&e.env, "h", NULL, &t, NULL), OK);
    CHECK_INT(t->timeout_ns, 2 * SEC_NS);
    target_unref(t);
    test_env_done(&e);
}
