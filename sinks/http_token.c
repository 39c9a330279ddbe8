/* SPDX-License-Identifier: Apache-2.0 */
/* http_token.c - asks for access tokens; the contract is in http_token.h. */
#include "http_token.h"

#include "clock.h"
#include "http_verdict.h"
#include "mem.h"

#include <cjson/cJSON.h>

#define EARLY_NS (300 * SEC_NS) /* the most before its end */
#define AGAIN_NS (10 * SEC_NS)  /* after a failure, while the old one can be used */
#define FORM_MAX 65536
#define LIFE_MAX (400.0 * 24 * 3600) /* seconds believed */

struct http_token {
    const struct http_sink_conf *conf;
    struct curl_loop *loop;
    struct http_conf client; /* texts borrowed from conf */
    struct http_session session;
    struct secret secret;
    struct http_request request;
    struct buf form;
    char *text;
    uint64_t number;          /* of text; 0: none was ever got */
    bool refused;             /* text is of no use */
    int64_t end_ns, renew_ns; /* of text */
};

static const char *const headers[] = {"User-Agent: strata-agent", "Accept: application/json",
                                      "Content-Type: application/x-www-form-urlencoded", NULL};

struct http_token *http_token_new(const struct http_sink_conf *conf, struct curl_loop *loop)
{
    struct http_token *t = mem_alloc(sizeof *t);
    char *none = (char *)"";
    t->conf = conf;
    t->loop = loop;
    t->client = (struct http_conf){.user = none,
                                   .password = none,
                                   .bearer = none,
                                   .tls = conf->oauth2.tls,
                                   .proxy = conf->client.proxy,
                                   .proxy_user = conf->client.proxy_user,
                                   .proxy_password = conf->client.proxy_password};
    http_session_init(&t->session, &t->client, headers);
    secret_init(&t->secret, conf->oauth2.client_secret);
    http_request_init(&t->request, &t->session, HTTP_ANSWER_MAX, conf->connect_timeout);
    t->form = (struct buf)BUF_INIT(FORM_MAX);
    return t;
}

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    mem_free(text);
}

static void wipe_form(struct http_token *t)
{
    explicit_bzero(t->form.data, t->form.len);
    buf_truncate(&t->form, 0);
}

void http_token_free(struct http_token *t)
{
    if (!t)
        return;
    http_request_done(&t->request);
    http_session_done(&t->session);
    secret_done(&t->secret);
    wipe_form(t);
    buf_done(&t->form);
    wipe(t->text);
    mem_free(t);
}

const char *http_token_text(const struct http_token *t)
{
    return t->text;
}

/* What RFC 6749 wants of values, in forms and in a login. */
static char *escape(struct http_token *t, const char *text)
{
    char *out = curl_easy_escape(t->request.easy, text, 0);
    if (!out)
        abort(); /* out of memory, as mem.h would say it */
    return out;
}

static enum status add_field(struct http_token *t, const char *name, const char *value)
{
    char *n = escape(t, name), *v = escape(t, value);
    enum status s = buf_cat(&t->form, t->form.len > 0 ? "&" : "", n, "=", v, NULL);
    explicit_bzero(v, strlen(v));
    curl_free(n);
    curl_free(v);
    return s;
}

static enum status make_form(struct http_token *t, const char *secret)
{
    const struct http_oauth2_conf *c = &t->conf->oauth2;
    AUTO(buf) struct buf scopes = BUF_INIT(FORM_MAX);
    buf_truncate(&t->form, 0);
    enum status s = add_field(t, "grant_type", "client_credentials");
    for (size_t i = 0; i < c->scopes.len && s == OK; i++)
        s = buf_cat(&scopes, i ? " " : "", c->scopes.items[i], NULL);
    if (s == OK && scopes.len > 0)
        s = add_field(t, "scope", scopes.data);
    for (size_t i = 0; i < c->params.len && s == OK; i++)
        s = add_field(t, c->params.items[i].name, c->params.items[i].value);
    if (s == OK && c->login == HTTP_LOGIN_BODY)
        s = add_field(t, "client_id", c->client_id);
    if (s == OK && c->login == HTTP_LOGIN_BODY)
        s = add_field(t, "client_secret", secret);
    return s;
}

static void set_login(struct http_token *t, const char *secret)
{
    char *user = escape(t, t->conf->oauth2.client_id), *password = escape(t, secret);
    curl_easy_setopt(t->request.easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(t->request.easy, CURLOPT_USERNAME, user);
    curl_easy_setopt(t->request.easy, CURLOPT_PASSWORD, password);
    explicit_bzero(password, strlen(password));
    curl_free(user);
    curl_free(password);
}

static enum status ask(struct http_token *t, struct err *err)
{
    const struct http_oauth2_conf *c = &t->conf->oauth2;
    const char *secret = NULL;
    if (secret_get(&t->secret, &secret, err) != OK)
        return err_wrap(err, ERR_DENIED, "client_secret");
    if (make_form(t, secret ? secret : "") != OK)
        return err_set(err, ERR_DENIED, "the request for a token is above %d bytes", FORM_MAX);
    enum status s = http_request_open(&t->request, c->token_url, err);
    if (s != OK)
        return s;
    if (c->login == HTTP_LOGIN_HEADER)
        set_login(t, secret ? secret : "");
    t->request.of = t;
    return http_request_start(&t->request, t->loop, "POST",
                              (struct span){t->form.data, t->form.len}, t->conf->timeout, err);
}

enum status http_token_want(struct http_token *t, uint64_t *ret, struct err *err)
{
    int64_t now_ns = clock_mono_ns();
    bool good = t->number > 0 && !t->refused && now_ns < t->end_ns;
    enum status s = OK;
    if (!t->request.running && (!good || now_ns >= t->renew_ns))
        s = ask(t, err);
    *ret = good ? t->number : 0;
    return good ? OK : s;
}

void http_token_refused(struct http_token *t, uint64_t number)
{
    if (number == t->number)
        t->refused = true;
}

/* True for what may stand in a header. */
static bool is_token(const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
            return false;
    return text[0] != '\0';
}

enum status http_token_read(struct span json, char **ret_token, int64_t *ret_life_ns,
                            struct err *err)
{
    cJSON *root = cJSON_ParseWithLength(json.data, json.len);
    const cJSON *token = cJSON_GetObjectItemCaseSensitive(root, "access_token");
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(root, "token_type");
    const cJSON *life = cJSON_GetObjectItemCaseSensitive(root, "expires_in");
    enum status s = OK;
    if (!cJSON_IsString(token) || !is_token(token->valuestring)) {
        s = err_set(err, ERR_DENIED, "the answer has no access_token");
    } else if (cJSON_IsString(type) && strcasecmp(type->valuestring, "bearer") != 0) {
        char line[60];
        text_line(line, sizeof line, (struct span){type->valuestring, strlen(type->valuestring)});
        s = err_set(err, ERR_DENIED, "the token is of type '%s', not bearer", line);
    } else {
        double seconds = cJSON_IsNumber(life)   ? life->valuedouble
                         : cJSON_IsString(life) ? strtod(life->valuestring, NULL)
                                                : 0;
        if (!(seconds > 0))
            seconds = 0;
        *ret_token = mem_strdup(token->valuestring);
        *ret_life_ns = (int64_t)((seconds < LIFE_MAX ? seconds : LIFE_MAX) * (double)SEC_NS);
    }
    if (cJSON_IsString(token))
        explicit_bzero(token->valuestring, strlen(token->valuestring));
    cJSON_Delete(root);
    return s;
}

static void keep(struct http_token *t, char *text, int64_t life_ns)
{
    int64_t now_ns = clock_mono_ns(), early_ns = life_ns / 4 < EARLY_NS ? life_ns / 4 : EARLY_NS;
    wipe(t->text);
    t->text = text;
    t->number++;
    t->refused = false;
    t->end_ns = life_ns > 0 ? now_ns + life_ns : DEADLINE_NEVER;
    t->renew_ns = life_ns > 0 ? t->end_ns - early_ns : DEADLINE_NEVER;
}

static enum status explain(const struct http_token *t, const struct http_answer *a, struct err *err)
{
    char words[HTTP_WORDS_MAX];
    struct span url = http_sink_shown(t->conf->oauth2.token_url);
    bool answered = a->code >= 300;
    enum status s = answered
                        ? http_verdict_token(a->code)
                        : http_verdict_failed(a->how, false); /* a token may be asked for twice */
    http_answer_words(a, words);
    return err_set(err, s == ERR_DENIED ? s : ERR_AGAIN, "no token from %.*s: %s",
                   url.len < 70 ? (int)url.len : 70, url.data, words);
}

bool http_token_ended(struct http_token *t, CURL *easy, CURLcode code, enum status *how,
                      struct err *err)
{
    struct http_answer a;
    char *text = NULL;
    int64_t life_ns = 0;
    if (easy != t->request.easy)
        return false;
    http_request_finish(&t->request, code, &a);
    wipe_form(t);
    if (a.code >= 200 && a.code < 300 && a.whole)
        *how = http_token_read(a.said, &text, &life_ns, err);
    else
        *how = explain(t, &a, err);
    if (*how == OK)
        keep(t, text, life_ns);
    else
        t->renew_ns = clock_mono_ns() + AGAIN_NS;
    if (a.said.len > 0)
        explicit_bzero(t->request.kept.data, t->request.kept.len);
    if (*how == ERR_DENIED)
        secret_look(&t->secret); /* it may have been rotated just now */
    return true;
}
