/* SPDX-License-Identifier: Apache-2.0 */
#include "http_session.h"
#include "curl_loop.h"
#include "test.h"

static struct http *http;
static struct http_session session;

static void fresh(const char *bearer)
{
    struct http_conf c = {.user = NULL};
    CHECK_INT(net_init(NULL), OK);
    setting_defaults(http_settings, &c);
    CHECK_INT(setting_set(setting_find(http_settings, "bearer"), &c, bearer, NULL), OK);
    CHECK_INT(http_new(&http, &c, NULL), OK);
    setting_done(http_settings, &c);
    http_session_init(&session, &http->conf, NULL);
}

static void done(void)
{
    http_session_done(&session);
    http_unref(http);
}

/* The only header of the moment. */
static const char *header(void)
{
    CHECK_INT(http_session_refresh(&session, NULL), OK);
    return session.list->list ? session.list->list->data : "";
}

TEST(a_token_of_the_program_replaces_that_of_the_configuration)
{
    fresh("configured");
    CHECK_STR(header(), "Authorization: Bearer configured");
    http_session_set_bearer(&session, "made");
    CHECK_STR(header(), "Authorization: Bearer made");
    CHECK_INT(session.version, 2);
    CHECK_STR(header(), "Authorization: Bearer made");
    CHECK_INT(session.version, 2);
    http_session_set_bearer(&session, NULL);
    CHECK_STR(header(), "Authorization: Bearer configured");
    CHECK_INT(session.version, 3);
    done();
}

TEST(tls_material_of_the_program_asks_for_handles_set_up_anew)
{
    fresh("");
    CHECK_STR(header(), "");
    CHECK_INT(session.version, 1);
    http_session_set_pem(&session, &(struct http_pem){.cert = "c", .key = "k"});
    CHECK_STR(header(), "");
    CHECK_INT(session.version, 2);
    CHECK_STR(header(), "");
    CHECK_INT(session.version, 2);
    done();
}

TEST(a_file_is_looked_at_when_it_is_asked_for)
{
    char path[] = "/tmp/test_http_session.XXXXXX", bearer[64];
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    FILE *f = fdopen(fd, "w");
    fputs("old", f);
    fflush(f);
    snprintf(bearer, sizeof bearer, "file:%s", path);
    fresh(bearer);
    CHECK_STR(header(), "Authorization: Bearer old");
    fputs("er", f);
    fclose(f);
    CHECK_STR(header(), "Authorization: Bearer old"); /* within a second */
    http_session_look(&session);
    CHECK_STR(header(), "Authorization: Bearer older");
    remove(path);
    done();
}
