/* SPDX-License-Identifier: Apache-2.0 */
#include "trust.h"

#include "budget.h"
#include "clock.h"
#include "mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/stat.h>

enum {
    TIMES = 4,        /* what a certificate takes, by its text in a file: measured */
    UNUSED_HOURS = 1, /* then a file is forgotten */
    SECONDS = 60,     /* then it is read again in any case */
};

struct file {
    char *path;
    X509_STORE *store;
    struct stat is; /* as it was read */
    int64_t read_ns, used_ns;
    size_t counted;
    struct file *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files; /* under the lock */

static void file_free(struct file *f)
{
    X509_STORE_free(f->store);
    budget_count(BUDGET_CLIENTS, &f->counted, 0);
    mem_free(f->path);
    mem_free(f);
}

/* Those whose name no configuration says any more. */
static void drop_unused(void)
{
    int64_t before_ns = clock_mono_ns() - UNUSED_HOURS * 3600 * SEC_NS;
    for (struct file **at = &files; *at;) {
        struct file *f = *at;
        if (f->used_ns < before_ns) {
            *at = f->next;
            file_free(f);
        } else {
            at = &f->next;
        }
    }
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* The path is a folder of authorities, too, in which there are none: libcurl adds it by itself to what it
 * is given, and must find it there, for others use the store meanwhile. */
static X509_STORE *load(const char *path)
{
    X509_STORE *s = X509_STORE_new();
    if (!s)
        abort(); /* out of memory, as mem.h would say it */
    X509_STORE_set_flags(s, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    if (X509_STORE_load_file(s, path) == 1 && X509_STORE_load_path(s, path) == 1)
        return s;
    X509_STORE_free(s);
    ERR_clear_error();
    return NULL;
}

static struct file *find(const char *path)
{
    struct file *f = files;
    while (f && strcmp(f->path, path) != 0)
        f = f->next;
    if (!f) {
        drop_unused();
        f = mem_alloc(sizeof *f);
        f->path = mem_strdup(path);
        f->next = files;
        files = f;
    }
    f->used_ns = clock_mono_ns();
    return f;
}

static enum status read_file(struct file *f, struct err *err)
{
    struct stat is;
    if (stat(f->path, &is) != 0)
        return err_set(err, ERR_IO, "authorities: %.200s: %s", f->path, strerror(errno));
    if (f->store && is_same(&is, &f->is) && f->used_ns - f->read_ns < SECONDS * SEC_NS)
        return OK;
    X509_STORE *s = load(f->path);
    if (!s)
        return err_set(err, ERR_INVALID, "authorities: %.200s: no certificates can be read",
                       f->path);
    X509_STORE_free(f->store);
    f->store = s;
    f->is = is;
    f->read_ns = f->used_ns;
    budget_count(BUDGET_CLIENTS, &f->counted, TIMES * (size_t)is.st_size);
    return OK;
}

enum status trust_get(const char *path, X509_STORE **ret, struct err *err)
{
    pthread_mutex_lock(&lock);
    struct file *f = find(path);
    enum status s = read_file(f, err);
    if (s == OK) {
        X509_STORE_up_ref(f->store);
        *ret = f->store;
    }
    pthread_mutex_unlock(&lock);
    return s;
}

static const char *of_system;

static void ask(void)
{
    of_system = curl_version_info(CURLVERSION_NOW)->cainfo;
}

/* The library's answer is in memory of its own, which it writes anew for whoever asks. */
const char *trust_system(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ask);
    return of_system;
}

static CURLcode take(CURL *easy, void *ctx, void *path)
{
    X509_STORE *s;
    (void)easy;
    if (trust_get(path, &s, NULL) != OK)
        return CURLE_SSL_CACERT_BADFILE;
    SSL_CTX_set_cert_store(ctx, s); /* which has the reference now */
    return CURLE_OK;
}

/* Without a file libcurl has nothing to keep; the folder is what it tells connections apart by. */
bool trust_apply(CURL *easy, const char *path)
{
    if (curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, take) != CURLE_OK)
        return false;
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, (void *)(uintptr_t)path);
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CAPATH, path);
    return true;
}

/* Of a function of the program that fails libcurl says only that. */
const char *trust_words(CURLcode how, const char *said)
{
    if (how == CURLE_SSL_CACERT_BADFILE)
        return "no authorities can be read from the file of tls.ca, or that of the system";
    return said[0] ? said : curl_easy_strerror(how);
}
