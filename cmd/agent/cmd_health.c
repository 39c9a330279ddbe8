/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_health.c - health: asks a running agent for /healthz, for images that have neither curl
 * nor, in use, a shell. */
#include "cmd_config.h"
#include "commands.h"
#include "curl_loop.h"
#include "http_session.h"

#include <getopt.h>

#define ADDRESS_DEFAULT "127.0.0.1:9690"
enum { URL_BYTES = 512, ANSWER_BYTES = 4096, PATIENCE_MS = 5000 };

static int usage(int code)
{
    fputs("usage: strata-agent health [-c FILE | --address ADDRESS [--tls]]\n"
          "\n"
          "Asks the agent that runs on this machine whether all its threads beat (/healthz);\n"
          "no answer within 5 s is a no.\n"
          "\n"
          "  -c, --config FILE    ask at agent.listen of this configuration; other faults of\n"
          "                       the file do not matter, for the agent runs on with what it has\n"
          "  --address ADDRESS    HOST:PORT; by default " ADDRESS_DEFAULT "\n"
          "  --tls                by https; with -c, the configuration says so\n"
          "\n"
          "Exit codes: 0 healthy, 1 not, 2 usage.\n",
          code == EXIT_FINE ? stdout : stderr);
    return code;
}

/* The URL under which a server that listens at address answers here. */
static enum status make_url(const char *address, bool tls, struct buf *url)
{
    const char *scheme = tls ? "https://" : "http://";
    static const struct {
        const char *everywhere, *here;
    } hosts[] = {{":", "localhost:"}, {"[::]:", "localhost:"}, {"0.0.0.0:", "127.0.0.1:"}};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        size_t n = strlen(hosts[i].everywhere);
        if (strncmp(address, hosts[i].everywhere, n) == 0)
            return buf_cat(url, scheme, hosts[i].here, address + n, "/healthz", NULL);
    }
    return buf_cat(url, scheme, address, "/healthz", NULL);
}

static size_t take(char *data, size_t size, size_t n, void *answer)
{
    return buf_add(answer, data, size * n) == OK ? size * n : 0;
}

/* The status of the answer; 0: there is none, and why says so. */
static long ask(const char *url, struct buf *answer, char why[CURL_ERROR_SIZE])
{
    long code = 0;
    struct http_session session;
    struct http_conf conf = {.user = NULL};
    CURL *easy = curl_easy_init();
    if (!easy)
        abort(); /* out of memory, as mem.h would say it */
    setting_defaults(http_settings, &conf);
    conf.tls.verify = false; /* it asks this machine, where the certificate has another's name */
    http_session_init(&session, &conf, NULL);
    http_session_apply(&session, easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)PATIENCE_MS);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    CURLcode how = curl_easy_perform(easy);
    if (how == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
    else if (why[0] == '\0')
        snprintf(why, CURL_ERROR_SIZE, "%s", curl_easy_strerror(how));
    curl_easy_cleanup(easy);
    http_session_done(&session);
    setting_done(http_settings, &conf);
    return code;
}

static int run(const char *address, bool tls)
{
    struct err err;
    char why[CURL_ERROR_SIZE] = "";
    AUTO(buf) struct buf url = BUF_INIT(URL_BYTES);
    AUTO(buf) struct buf answer = BUF_INIT(ANSWER_BYTES);
    if (make_url(address, tls, &url) != OK)
        return usage(EXIT_USAGE);
    if (net_init(&err) != OK) {
        fprintf(stderr, "%s\n", err.text);
        return EXIT_FAILED;
    }
    long code = ask(url.data, &answer, why);
    if (code == 200)
        return cmd_print(&answer) ? EXIT_FINE : EXIT_FAILED;
    if (code == 0)
        fprintf(stderr, "%s: %s\n", url.data, why);
    else
        fprintf(stderr, "%s answers %ld: %s%s", url.data, code, answer.data,
                answer.len && answer.data[answer.len - 1] == '\n' ? "" : "\n");
    return EXIT_FAILED;
}

static int run_config(const char *path)
{
    AUTO(buf) struct buf address = BUF_INIT(URL_BYTES);
    struct err err;
    bool tls = false;
    if (config_listen(path, &address, &tls, &err) != OK) {
        fprintf(stderr, "%s: %s; asking at " ADDRESS_DEFAULT "\n", path, err.text);
        return run(ADDRESS_DEFAULT, false);
    }
    if (address.len > 0)
        return run(address.data, tls);
    fprintf(stderr, "%s: agent.listen is empty: there is nobody to ask\n", path);
    return EXIT_FAILED;
}

int cmd_health(int argc, char **argv)
{
    static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
                                                 {"address", required_argument, NULL, 'a'},
                                                 {"tls", no_argument, NULL, 't'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    const char *path = NULL, *address = NULL;
    bool tls = false;
    int o;
    while ((o = getopt_long(argc, argv, "c:h", long_options, NULL)) >= 0) {
        switch (o) {
        case 'c': path = optarg; break;
        case 'a': address = optarg; break;
        case 't': tls = true; break;
        case 'h': return usage(EXIT_FINE);
        default: return usage(EXIT_USAGE);
        }
    }
    if (optind < argc || (path && address))
        return usage(EXIT_USAGE);
    return path ? run_config(path) : run(address ? address : ADDRESS_DEFAULT, tls);
}
