/* SPDX-License-Identifier: Apache-2.0 */
/* test_trust.c - authorities are read once, and again when there are others. */
#include "budget.h"
#include "clock.h"
#include "test.h"
#include "trust.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[64];

__attribute__((constructor)) static void name_file(void)
{
    snprintf(path, sizeof path, "/tmp/strata-trust-%d.pem", (int)getpid());
}

/* A file of so many authorities, in place of the one before. */
static size_t write_file(int n)
{
    char other[80];
    struct stat is;
    snprintf(other, sizeof other, "%s.new", path);
    FILE *f = fopen(other, "w");
    CHECK(f != NULL);
    for (int i = 0; i < n; i++) {
        X509 *x = X509_new();
        EVP_PKEY *key = EVP_EC_gen("P-256");
        CHECK(x && key);
        ASN1_INTEGER_set(X509_get_serialNumber(x), i + 1);
        X509_gmtime_adj(X509_getm_notBefore(x), -3600);
        X509_gmtime_adj(X509_getm_notAfter(x), 3600);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                   (const unsigned char *)"authority", -1, -1, 0);
        X509_set_issuer_name(x, X509_get_subject_name(x));
        X509_set_pubkey(x, key);
        CHECK(X509_sign(x, key, EVP_sha256()) > 0 && PEM_write_X509(f, x) == 1);
        X509_free(x);
        EVP_PKEY_free(key);
    }
    CHECK_INT(fclose(f), 0);
    CHECK_INT(rename(other, path), 0);
    CHECK_INT(stat(path, &is), 0);
    return (size_t)is.st_size;
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
