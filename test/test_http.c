/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"
#include "test.h"

/* Makes one of "key", "value" settings, ended by NULL; tls.X and headers.X go below. */
static enum status make(struct http **ret, struct err *err, const char *const *pairs)
{
    struct http_conf c = {.user = NULL};
    setting_defaults(http_settings, &c);
    const struct setting *headers = setting_find(http_settings, "headers");
    for (; *pairs; pairs += 2) {
        if (strncmp(pairs[0], "tls.", 4) == 0)
            CHECK_INT(setting_set(setting_find(tls_settings, pairs[0] + 4), &c.tls, pairs[1], err),
                      OK);
        else if (strncmp(pairs[0], "headers.", 8) == 0)
            CHECK_INT(setting_put(headers, &c, pairs[0] + 8, pairs[1], err), OK);
        else
            CHECK_INT(setting_set(setting_find(http_settings, pairs[0]), &c, pairs[1], err), OK);
    }
    enum status s = http_new(ret, &c, err);
    setting_done(http_settings, &c);
    return s;
}
#define MAKE(ret, err, ...) make(ret, err, (const char *const[]){__VA_ARGS__, NULL})

TEST(what_is_configured_is_copied_and_shared)
{
    struct http *h = NULL;
    CHECK_INT(MAKE(&h, NULL, "user", "u", "password", "p", "tls.ca", "/ca", "headers.X-A", "1",
                   "headers.X-B", "", "gzip", "true"),
              OK);
    CHECK(http_ref(h) == h);
    http_unref(h);
    CHECK_STR(h->conf.user, "u");
    CHECK_STR(h->conf.password, "p");
    CHECK_STR(h->conf.bearer, "");
    CHECK_STR(h->conf.tls.ca, "/ca");
    CHECK(h->conf.tls.verify && h->conf.gzip);
    CHECK_INT(h->conf.headers.len, 2);
    CHECK_STR(h->conf.headers.items[0].name, "X-A");
    CHECK_STR(h->conf.headers.items[0].value, "1");
    http_unref(h);
    http_unref(NULL);
    CHECK(http_ref(NULL) == NULL);
}

TEST(nothing_need_be_configured)
{
    struct http *h = NULL;
    CHECK_INT(MAKE(&h, NULL, NULL), OK);
    CHECK(h->conf.tls.verify && !h->conf.gzip);
    CHECK_STR(h->conf.proxy, "");
    CHECK_STR(h->conf.proxy_user, "");
    http_unref(h);
}

TEST(what_fits_together_is_taken)
{
    static const char *const cases[][7] = {
        {"user", "u", NULL},
        {"bearer", "file:/run/token", NULL},
        {"proxy", "http://p:3128", NULL},
        {"proxy", "p", "proxy_user", "u", "proxy_password", "file:/run/p", NULL},
        {"bearer", "t", "headers.Accept", "x", NULL},
        {"tls.cert", "/c", "tls.key", "/k", NULL},
        {"headers.Authorization", "Digest x", NULL},
        {"headers.!#$%&'*+-.^_`|~09azAZ", "\t any \xc3\xa4", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http *h = NULL;
        struct err err = {.text = ""};
        enum status s = make(&h, &err, cases[i]);
        CHECK_STR(err.text, "");
        CHECK_INT(s, OK);
        http_unref(h);
    }
}

static void add_line(void *to, const char *setting, size_t item, const char *text)
{
    char number[30] = "";
    if (item != SETTING_ALL)
        snprintf(number, sizeof number, "[%zu]", item);
    CHECK_INT(buf_cat(to, setting, number, ": ", text, "\n", NULL), OK);
}

TEST(all_that_is_wrong_is_told_with_its_setting)
{
    static char none[] = "", a[] = "a", bad[] = "a b", colon[] = "a:b",
                file[] = "file:", login[] = "authorization";
    struct text_pair headers[] = {{a, a}, {bad, a}, {login, a}, {a, a}, {a, a}};
    struct http_conf c = {.user = colon,
                          .password = file,
                          .bearer = file,
                          .tls = {.ca = none, .cert = a, .key = none, .server_name = none},
                          .headers = {headers, ARRAY_LEN(headers)},
                          .proxy = none,
                          .proxy_user = none,
                          .proxy_password = none};
    AUTO(buf) struct buf said = BUF_INIT(4096);
    http_check(&c, &(struct setting_report){add_line, &said});
    CHECK_STR(said.data, "bearer: user and bearer exclude each other\n"
                         "user: user has a ':' or a line break\n"
                         "password: password: file: without a path\n"
                         "bearer: bearer: file: without a path\n"
                         "tls.cert: tls: cert and key go together\n"
                         "headers[1]: headers: 'a b' is no name of a header\n"
                         "headers[2]: headers: 'authorization' beside user or bearer\n"
                         "headers[3]: headers: 'a' is there twice\n"
                         "headers[4]: headers: 'a' is there twice\n");
}

TEST(what_does_not_fit_together_is_refused)
{
    static const struct {
        const char *pairs[7], *want;
    } cases[] = {
        {{"user", "u", "bearer", "t"}, "user and bearer exclude each other"},
        {{"password", "p"}, "a password without a user"},
        {{"user", "a:b"}, "user has a ':' or a line break"},
        {{"user", "a\nb"}, "user has a ':' or a line break"},
        {{"user", "u", "password", "p\n"}, "password has a line break"},
        {{"bearer", "t\rX: y"}, "bearer has a line break"},
        {{"bearer", "file:"}, "bearer: file: without a path"},
        {{"proxy", "http://user:s3cret@p:3128"},
         "proxy: a URL with '@' is not taken, user and password of the proxy have settings of "
         "their own: proxy_user, proxy_password"},
        {{"proxy_user", "u"}, "proxy_user without a proxy"},
        {{"proxy", "p", "proxy_password", "x"}, "a proxy_password without a proxy_user"},
        {{"proxy", "p", "proxy_user", "a:b"}, "proxy_user has a ':' or a line break"},
        {{"proxy", "p", "proxy_user", "u", "proxy_password", "x\n"},
         "proxy_password has a line break"},
        {{"tls.cert", "/c"}, "tls: cert and key go together"},
        {{"tls.key", "/k"}, "tls: cert and key go together"},
        {{"headers.a b", "x"}, "headers: 'a b' is no name of a header"},
        {{"headers.a:", "x"}, "headers: 'a:' is no name of a header"},
        {{"headers.", "x"}, "headers: '' is no name of a header"},
        {{"headers.a", "x\r\ny: z"}, "headers: the value of 'a' has a line break"},
        {{"headers.a", "x\ny"}, "headers: the value of 'a' has a line break"},
        {{"headers.X-A", "x", "headers.b", "x", "headers.x-a", "y"},
         "headers: 'x-a' is there twice"},
        {{"bearer", "t", "headers.authorization", "x"},
         "headers: 'authorization' beside user or bearer"},
        {{"user", "t", "headers.Authorization", "x"},
         "headers: 'Authorization' beside user or bearer"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http *h = NULL;
        struct err err = {.text = ""};
        CHECK_INT(make(&h, &err, cases[i].pairs), ERR_INVALID);
        CHECK_STR(err.text, cases[i].want);
        CHECK(h == NULL);
    }
}
