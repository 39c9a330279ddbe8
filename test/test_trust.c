/* SPDX-License-Identifier: Apache-2.0 */
/* test_trust.c - authorities are read once, and again when there are others. */
#include "budget.h"
#include "clock.h"
#include "test.h"
#include "trust.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[64];
static _Atomic int parsed;

/* Where a thread hangs, as if the file were on a mount that does not answer. */
enum place { NOWHERE, IN_FSTAT, IN_PARSE };
static _Thread_local enum place hangs;
static sem_t hanging, go_on;

static void hang(enum place at)
{
    if (hangs != at)
        return;
    hangs = NOWHERE;
    sem_post(&hanging);
    sem_wait(&go_on);
}

static const struct stat *pretended; /* what every file looks like */

int fstat(int fd, struct stat *is)
{
    hang(IN_FSTAT);
    if (pretended) {
        *is = *pretended;
        return 0;
    }
    return fstatat(fd, "", is, AT_EMPTY_PATH);
}

STACK_OF(X509_INFO) *
    PEM_X509_INFO_read_bio(BIO *in, STACK_OF(X509_INFO) * to, pem_password_cb *cb, void *u)
{
    STACK_OF(X509_INFO) * (*real)(BIO *, STACK_OF(X509_INFO) *, pem_password_cb *, void *);
    *(void **)&real = dlsym(RTLD_NEXT, "PEM_X509_INFO_read_bio");
    parsed++;
    hang(IN_PARSE);
    return real(in, to, cb, u);
}

__attribute__((constructor)) static void name_file(void)
{
    snprintf(path, sizeof path, "/tmp/strata-trust-%d.pem", (int)getpid());
}

struct authority {
    X509 *cert;
    EVP_PKEY *key;
};

static struct authority make_authority(int serial)
{
    X509 *x = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    CHECK(x && key);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"authority", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, key);
    CHECK(X509_sign(x, key, EVP_sha256()) > 0);
    return (struct authority){x, key};
}

static void authority_done(struct authority *a)
{
    X509_free(a->cert);
    EVP_PKEY_free(a->key);
}

/* A file of these authorities, in place of the one before. */
static size_t write_these(const struct authority *a, int n)
{
    char other[80];
    struct stat is;
    snprintf(other, sizeof other, "%s.new", path);
    FILE *f = fopen(other, "w");
    CHECK(f != NULL);
    for (int i = 0; i < n; i++)
        CHECK(PEM_write_X509(f, a[i].cert) == 1);
    CHECK_INT(fclose(f), 0);
    CHECK_INT(rename(other, path), 0);
    CHECK_INT(stat(path, &is), 0);
    return (size_t)is.st_size;
}

/* Likewise, of so many new ones. */
static size_t write_file(int n)
{
    struct authority some[3] = {{.cert = NULL}};
    CHECK(n <= (int)ARRAY_LEN(some));
    for (int i = 0; i < n; i++)
        some[i] = make_authority(i + 1);
    size_t size = write_these(some, n);
    for (int i = 0; i < n; i++)
        authority_done(&some[i]);
    return size;
}

static int authorities(X509_STORE *s)
{
    return sk_X509_OBJECT_num(X509_STORE_get0_objects(s));
}

TEST(a_file_is_read_once_and_counts_once)
{
    size_t before = budget_part_bytes(BUDGET_CLIENTS), size = write_file(3);
    X509_STORE *a, *b;
    struct err err;
    CHECK_INT(trust_get(path, &a, &err), OK);
    CHECK_INT(authorities(a), 3);
    size_t counted = budget_part_bytes(BUDGET_CLIENTS) - before;
    CHECK(counted >= size);
    CHECK_INT(trust_get(path, &b, &err), OK);
    CHECK(a == b);
    CHECK_INT(budget_part_bytes(BUDGET_CLIENTS), before + counted);
    X509_STORE_free(a);
    X509_STORE_free(b);
    unlink(path);
}

TEST(another_file_under_the_name_is_read_and_who_has_the_old_one_keeps_it)
{
    X509_STORE *a, *b;
    struct err err;
    write_file(1);
    CHECK_INT(trust_get(path, &a, &err), OK);
    write_file(2);
    CHECK_INT(trust_get(path, &b, &err), OK);
    CHECK(a != b);
    CHECK_INT(authorities(a), 1);
    CHECK_INT(authorities(b), 2);
    X509_STORE_free(a);
    X509_STORE_free(b);
    unlink(path);
}

TEST(a_file_that_is_none_is_an_error_that_names_it)
{
    X509_STORE *s;
    struct err err;
    unlink(path);
    CHECK_INT(trust_get(path, &s, &err), ERR_IO);
    CHECK(strstr(err.text, path) && strstr(err.text, "No such file"));
    write_file(0);
    CHECK_INT(trust_get(path, &s, &err), ERR_INVALID);
    CHECK(strstr(err.text, path));
    CHECK_INT(trust_get("/tmp", &s, &err), ERR_INVALID);
    CHECK(strstr(err.text, "regular file"));
    write_file(1);
    CHECK_INT(trust_get(path, &s, &err), OK);
    X509_STORE_free(s);
    unlink(path);
}

TEST(a_transfer_that_found_no_authorities_says_so)
{
    CHECK(strstr(trust_words(CURLE_SSL_CACERT_BADFILE, "error signaled by ssl ctx callback"),
                 "tls.ca"));
    CHECK_STR(trust_words(CURLE_SSL_CONNECT_ERROR, "said"), "said");
    CHECK_STR(trust_words(CURLE_OK, ""), curl_easy_strerror(CURLE_OK));
}

TEST(a_file_that_is_too_large_is_not_read)
{
    X509_STORE *s;
    struct err err;
    write_file(1);
    CHECK_INT(truncate(path, (8 << 20) + 1), 0);
    CHECK_INT(trust_get(path, &s, &err), ERR_LIMIT);
    unlink(path);
}

static void later(int seconds)
{
    clock_hold(clock_mono_ns() + seconds * SEC_NS, clock_wall_ms());
}

/* Somebody asks for something else, long after. */
static void ask_late(void)
{
    X509_STORE *s;
    later(2 * 3600);
    CHECK_INT(trust_get("/tmp", &s, NULL), ERR_INVALID);
}

TEST(time_alone_makes_no_second_copy)
{
    X509_STORE *held[5];
    struct err err;
    write_file(2);
    size_t counted = 0;
    parsed = 0;
    for (int i = 0; i < 5; i++) {
        CHECK_INT(trust_get(path, &held[i], &err), OK);
        CHECK(held[i] == held[0]);
        counted = i == 0 ? budget_part_bytes(BUDGET_CLIENTS) : counted;
        CHECK_INT(budget_part_bytes(BUDGET_CLIENTS), counted);
        later(61);
    }
    CHECK_INT(parsed, 1);
    ask_late();
    clock_release();
    for (int i = 0; i < 5; i++)
        X509_STORE_free(held[i]);
    unlink(path);
}

TEST(the_same_bytes_in_a_new_file_make_no_second_copy)
{
    char text[8192], other[80];
    X509_STORE *a, *b;
    struct err err;
    size_t size = write_file(1);
    CHECK_INT(trust_get(path, &a, &err), OK);
    FILE *f = fopen(path, "r");
    CHECK(f && size < sizeof text && fread(text, 1, size, f) == size);
    fclose(f);
    snprintf(other, sizeof other, "%s.new", path);
    f = fopen(other, "w");
    CHECK(f && fwrite(text, 1, size, f) == size && fclose(f) == 0);
    CHECK_INT(rename(other, path), 0);
    CHECK_INT(trust_get(path, &b, &err), OK);
    CHECK(a == b);
    X509_STORE_free(a);
    X509_STORE_free(b);
    unlink(path);
}

TEST(a_change_that_the_times_do_not_show_is_found_after_a_minute)
{
    X509_STORE *a, *b;
    struct err err;
    struct stat is;
    size_t size = write_file(1);
    CHECK_INT(stat(path, &is), 0);
    CHECK_INT(trust_get(path, &a, &err), OK);
    while (write_file(1) != size) /* signatures differ in length */
        ;
    pretended = &is;
    CHECK_INT(trust_get(path, &b, &err), OK);
    CHECK(a == b);
    X509_STORE_free(b);
    later(61);
    CHECK_INT(trust_get(path, &b, &err), OK);
    CHECK(a != b);
    pretended = NULL;
    ask_late();
    clock_release();
    X509_STORE_free(a);
    X509_STORE_free(b);
    unlink(path);
}

TEST(a_copy_counts_until_the_last_who_has_it_is_gone)
{
    X509_STORE *a, *b;
    struct err err;
    write_file(3);
    CHECK_INT(trust_get(path, &a, &err), OK);
    size_t both = budget_part_bytes(BUDGET_CLIENTS);
    write_file(1);
    CHECK_INT(trust_get(path, &b, &err), OK);
    CHECK(budget_part_bytes(BUDGET_CLIENTS) > both);
    both = budget_part_bytes(BUDGET_CLIENTS);
    X509_STORE_up_ref(a);
    X509_STORE_free(a);
    CHECK_INT(budget_part_bytes(BUDGET_CLIENTS), both);
    X509_STORE_free(a);
    CHECK(budget_part_bytes(BUDGET_CLIENTS) < both);
    X509_STORE_free(b);
    unlink(path);
}

TEST(a_file_without_certificates_is_parsed_once)
{
    X509_STORE *s;
    struct err err;
    write_file(0);
    parsed = 0;
    for (int i = 0; i < 3; i++)
        CHECK_INT(trust_get(path, &s, &err), ERR_INVALID);
    CHECK_INT(parsed, 1);
    unlink(path);
}

struct hung {
    char path[80];
    enum place at;
    enum status got;
};

static void *get_hung(void *of)
{
    struct hung *h = of;
    X509_STORE *s;
    hangs = h->at;
    h->got = trust_get(h->path, &s, NULL);
    if (h->got == OK)
        X509_STORE_free(s);
    return NULL;
}

TEST(a_file_that_hangs_holds_up_nobody_who_asks_for_another)
{
    X509_STORE *s;
    struct err err;
    for (enum place at = IN_FSTAT; at <= IN_PARSE; at++) {
        struct hung h = {.at = at};
        pthread_t thread;
        write_file(1 + (int)at);
        snprintf(h.path, sizeof h.path, "%s.hung", path);
        CHECK_INT(rename(path, h.path), 0);
        write_file(1);
        sem_init(&hanging, 0, 0);
        sem_init(&go_on, 0, 0);
        alarm(10);
        CHECK_INT(pthread_create(&thread, NULL, get_hung, &h), 0);
        sem_wait(&hanging);
        CHECK_INT(trust_get(path, &s, &err), OK);
        X509_STORE_free(s);
        CHECK_INT(trust_get(h.path, &s, &err), OK); /* nor for this one, when it can be read */
        sem_post(&go_on);
        pthread_join(thread, NULL);
        alarm(0);
        CHECK_INT(h.got, OK);
        size_t counted = budget_part_bytes(BUDGET_CLIENTS);
        X509_STORE_free(s);
        CHECK_INT(budget_part_bytes(BUDGET_CLIENTS), counted); /* theirs is ours */
        unlink(h.path);
        unlink(path);
    }
}

/* The URL of a new listener. */
static void listen_at(int listener, char *url, size_t size)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof to;
    CHECK_INT(bind(listener, (struct sockaddr *)&to, len), 0);
    CHECK_INT(listen(listener, 1), 0);
    CHECK_INT(getsockname(listener, (struct sockaddr *)&to, &len), 0);
    snprintf(url, size, "https://127.0.0.1:%d/", ntohs(to.sin_port));
}

/* A connection that has begun its handshake with somebody who says nothing. */
static CURLM *begin(int listener, CURL **ret)
{
    char url[64];
    listen_at(listener, url, sizeof url);
    CURL *easy = curl_easy_init();
    CURLM *multi = curl_multi_init();
    CHECK(easy && multi);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    CHECK(trust_apply(easy, path));
    curl_multi_add_handle(multi, easy);
    int running = 1;
    for (int before = parsed; running && parsed == before;) {
        curl_multi_perform(multi, &running);
        curl_multi_poll(multi, NULL, 0, 1, NULL);
    }
    CHECK_INT(running, 1);
    *ret = easy;
    return multi;
}

TEST(a_file_stays_while_a_connection_has_it)
{
    X509_STORE *a, *b;
    struct err err;
    CURL *easy;
    write_file(2);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CURLM *multi = begin(listener, &easy);
    parsed = 0;
    CHECK_INT(trust_get(path, &a, &err), OK);
    X509_STORE_free(a);
    ask_late();
    CHECK_INT(trust_get(path, &b, &err), OK);
    CHECK(a == b);
    CHECK_INT(parsed, 0);
    X509_STORE_free(b);
    ask_late();
    CHECK(budget_part_bytes(BUDGET_CLIENTS) > 0);
    curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
    ask_late();
    CHECK_INT(budget_part_bytes(BUDGET_CLIENTS), 0);
    clock_release();
    close(listener);
    unlink(path);
}

/* A server that is its own authority. */
struct server {
    struct authority is;
    SSL_CTX *ctx;
    int listener;
    char url[64];
};

static void server_open(struct server *s)
{
    *s = (struct server){.is = make_authority(7), .ctx = SSL_CTX_new(TLS_server_method())};
    CHECK(s->ctx && SSL_CTX_use_certificate(s->ctx, s->is.cert) == 1);
    CHECK(SSL_CTX_use_PrivateKey(s->ctx, s->is.key) == 1);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    listen_at(s->listener, s->url, sizeof s->url);
}

static void server_close(struct server *s)
{
    close(s->listener);
    SSL_CTX_free(s->ctx);
    authority_done(&s->is);
}

/* A handle that is to connect to s, whatever its name. */
static CURL *connects_only(const struct server *s)
{
    CURL *easy = curl_easy_init();
    CHECK(easy);
    curl_easy_setopt(easy, CURLOPT_URL, s->url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    return easy;
}

/* How a handshake of easy with s ends, on a connection of its own. */
static CURLcode shake_hands(const struct server *s, CURL *easy)
{
    CURLM *multi = curl_multi_init();
    SSL *ssl = SSL_new(s->ctx);
    int fd = -1, left = 0;
    CURLMsg *end = NULL;
    CHECK(multi && ssl);
    curl_multi_add_handle(multi, easy);
    for (int running = 1; !end; end = curl_multi_info_read(multi, &left)) {
        curl_multi_perform(multi, &running);
        if (fd < 0 && (fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
            SSL_set_fd(ssl, fd);
        if (fd >= 0)
            (void)SSL_accept(ssl);
        ERR_clear_error();
        if (running)
            curl_multi_poll(multi, NULL, 0, 1, NULL);
    }
    CURLcode how = end->data.result;
    curl_multi_remove_handle(multi, easy);
    curl_multi_cleanup(multi);
    SSL_free(ssl);
    close(fd);
    return how;
}

/* The authorities of easy are those of a file, or text. */
static void set_authority(CURL *easy, const struct authority *a, bool text, const char *file)
{
    char *data;
    BIO *out = BIO_new(BIO_s_mem());
    CHECK(out && PEM_write_bio_X509(out, a->cert) == 1);
    size_t len = (size_t)BIO_get_mem_data(out, &data);
    struct curl_blob blob = {.data = data, .len = len, .flags = CURL_BLOB_COPY};
    if (text) {
        CHECK_INT(curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob), CURLE_OK);
    } else {
        FILE *f = fopen(file, "w");
        CHECK(f && fwrite(data, 1, len, f) == len && fclose(f) == 0);
        CHECK_INT(curl_easy_setopt(easy, CURLOPT_CAINFO, file), CURLE_OK);
    }
    BIO_free(out);
}

static int authorities_of_file(void)
{
    X509_STORE *s;
    CHECK_INT(trust_get(path, &s, NULL), OK);
    int n = authorities(s);
    X509_STORE_free(s);
    return n;
}

TEST(what_a_handle_trusted_before_is_trusted_no_more_and_nobody_else_trusts_it)
{
    char file[80];
    snprintf(file, sizeof file, "%s.own", path);
    for (int text = 0; text < 2; text++) {
        struct server s;
        server_open(&s);
        CURL *easy = connects_only(&s);
        set_authority(easy, &s.is, text, file);
        CHECK_INT(shake_hands(&s, easy), CURLE_OK);
        write_file(1);
        CHECK(trust_apply(easy, path));
        CHECK_INT(shake_hands(&s, easy), CURLE_PEER_FAILED_VERIFICATION);
        CHECK_INT(authorities_of_file(), 1);
        write_these(&s.is, 1);
        CHECK_INT(shake_hands(&s, easy), CURLE_OK);
        CHECK_INT(authorities_of_file(), 1);
        curl_easy_cleanup(easy);
        server_close(&s);
        unlink(file);
        unlink(path);
    }
}

TEST(of_two_files_a_handle_trusts_the_one_that_it_was_told_last)
{
    char file[80];
    struct server s;
    server_open(&s);
    CURL *easy = connects_only(&s);
    snprintf(file, sizeof file, "%s.other", path);
    write_file(1);
    CHECK_INT(rename(path, file), 0);
    write_these(&s.is, 1);
    for (int i = 0; i < 3; i++) {
        CHECK(trust_apply(easy, path));
        CHECK_INT(shake_hands(&s, easy), CURLE_OK);
        CHECK(trust_apply(easy, file));
        CHECK_INT(shake_hands(&s, easy), CURLE_PEER_FAILED_VERIFICATION);
    }
    curl_easy_cleanup(easy);
    server_close(&s);
    unlink(file);
    unlink(path);
}

TEST(files_that_nobody_asks_for_any_more_are_forgotten)
{
    char other[] = "/tmp/strata-trust-none";
    X509_STORE *s;
    struct err err;
    write_file(1);
    CHECK_INT(trust_get(path, &s, &err), OK);
    X509_STORE_free(s);
    unlink(path);
    CHECK(budget_part_bytes(BUDGET_CLIENTS) > 0);
    clock_hold(clock_mono_ns() + 2 * 3600 * SEC_NS, clock_wall_ms());
    CHECK_INT(trust_get(other, &s, &err), ERR_IO);
    clock_release();
    CHECK_INT(budget_part_bytes(BUDGET_CLIENTS), 0);
}
