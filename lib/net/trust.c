/* SPDX-License-Identifier: Apache-2.0 */
#include "trust.h"

#include "budget.h"
#include "clock.h"
#include "hash.h"
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TIMES = 4,           /* what a certificate takes, by its text in a file: measured */
    MAX_BYTES = 8 << 20, /* those of a system are a quarter of one MiB */
    UNUSED_HOURS = 1,    /* without a connection, then a file is forgotten */
    SECONDS =
        60, /* then its bytes are compared in any case: its times have the steps of a slow clock */
};

struct look {
    struct stat is;
    uint64_t high, low; /* hash of the bytes */
    int64_t at_ns;
};

struct file {
    char *path;
    X509_STORE *store; /* NULL: there are no certificates in it */
    struct look read;
    int64_t used_ns;
    size_t users; /* TLS contexts that have the store */
    struct file *next;
};

/* Nobody reads a file while holding the lock: its mount may hang. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files; /* under the lock */

static int bytes_at, held_at; /* of what we hang on a store, on a TLS context */

/* A store counts until the last connection that has it is gone, whatever became of its file. */
static void store_gone(void *store, void *bytes, CRYPTO_EX_DATA *data, int at, long n, void *p)
{
    (void)store, (void)data, (void)at, (void)n, (void)p;
    budget_add(BUDGET_CLIENTS, -(ptrdiff_t)(uintptr_t)bytes);
}

static struct file *find_store(const X509_STORE *s)
{
    struct file *f = files;
    while (f && f->store != s)
        f = f->next;
    return f;
}

static void context_gone(void *ctx, void *held, CRYPTO_EX_DATA *data, int at, long n, void *p)
{
    (void)ctx, (void)data, (void)at, (void)n, (void)p;
    if (!held)
        return; /* somebody else's */
    pthread_mutex_lock(&lock);
    struct file *f = find_store(held);
    if (f) {
        f->users--;
        f->used_ns = clock_mono_ns();
    }
    pthread_mutex_unlock(&lock);
    X509_STORE_free(held);
}

static void out_of_memory(void)
{
    abort(); /* as mem.h does */
}

static void name_data(void)
{
    bytes_at = X509_STORE_get_ex_new_index(0, NULL, NULL, NULL, store_gone);
    held_at = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, context_gone);
    if (bytes_at < 0 || held_at < 0)
        out_of_memory();
}

/* Those that no connection has had for so long; whoever connects next looks for them. */
static void drop_unused(int64_t now_ns)
{
    for (struct file **at = &files; *at;) {
        struct file *f = *at;
        if (f->users == 0 && now_ns - f->used_ns > UNUSED_HOURS * 3600 * SEC_NS) {
            *at = f->next;
            X509_STORE_free(f->store);
            mem_free(f->path);
            mem_free(f);
        } else {
            at = &f->next;
        }
    }
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same_file(const struct look *a, const struct look *b)
{
    return a->is.st_ino == b->is.st_ino && a->is.st_dev == b->is.st_dev &&
           a->is.st_size == b->is.st_size && is_same_time(a->is.st_mtim, b->is.st_mtim) &&
           is_same_time(a->is.st_ctim, b->is.st_ctim);
}

static bool is_same_text(const struct look *a, const struct look *b)
{
    return a->is.st_size == b->is.st_size && a->high == b->high && a->low == b->low;
}

static struct file *find(const char *path)
{
    struct file *f = files;
    while (f && strcmp(f->path, path) != 0)
        f = f->next;
    return f;
}

static X509_STORE *use(struct file *f, int64_t now_ns)
{
    f->used_ns = now_ns;
    if (f->store)
        X509_STORE_up_ref(f->store);
    return f->store;
}

/* Whether the file that is there now is the one that was read; *ret is ours then. */
static bool is_known(const char *path, const struct look *now, X509_STORE **ret)
{
    pthread_mutex_lock(&lock);
    struct file *f = find(path);
    bool known = f && is_same_file(&f->read, now) && now->at_ns - f->read.at_ns < SECONDS * SEC_NS;
    if (known)
        *ret = use(f, now->at_ns);
    pthread_mutex_unlock(&lock);
    return known;
}

/* Likewise, of a file whose bytes have been read. */
static bool is_known_text(const char *path, const struct look *now, X509_STORE **ret)
{
    pthread_mutex_lock(&lock);
    struct file *f = find(path);
    bool known = f && is_same_text(&f->read, now);
    if (known) {
        f->read = *now;
        *ret = use(f, now->at_ns);
    }
    pthread_mutex_unlock(&lock);
    return known;
}

/* Takes the store; others may have been as fast. */
static X509_STORE *keep(const char *path, const struct look *now, X509_STORE *s)
{
    pthread_mutex_lock(&lock);
    struct file *f = find(path);
    if (!f) {
        f = mem_alloc(sizeof *f);
        f->path = mem_strdup(path);
        f->next = files;
        files = f;
    }
    X509_STORE *other = s;
    if (!is_same_text(&f->read, now)) {
        other = f->store;
        f->store = s;
        f->users = 0;
    }
    f->read = *now;
    X509_STORE *ret = use(f, now->at_ns);
    pthread_mutex_unlock(&lock);
    X509_STORE_free(other);
    return ret;
}

static int add_all(X509_STORE *s, const STACK_OF(X509_INFO) * all)
{
    int added = 0;
    for (int i = 0; i < sk_X509_INFO_num(all); i++) {
        const X509_INFO *x = sk_X509_INFO_value(all, i);
        added += x->x509 && X509_STORE_add_cert(s, x->x509) == 1;
        added += x->crl && X509_STORE_add_crl(s, x->crl) == 1;
    }
    return added;
}

/* The path is a folder of authorities, too, in which there are none: libcurl adds it by itself to what it
 * is given, and must find it there, for others use the store meanwhile. */
static X509_STORE *parse(const char *path, const char *text, size_t len)
{
    /* Or OpenSSL asks the terminal for that of a certificate that has one. */
    char no_password[1] = "";
    X509_STORE *s = X509_STORE_new();
    BIO *in = BIO_new_mem_buf(text, (int)len);
    if (!s || !in)
        out_of_memory();
    X509_STORE_set_flags(s, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    STACK_OF(X509_INFO) *all = PEM_X509_INFO_read_bio(in, NULL, NULL, no_password);
    if (add_all(s, all) == 0 || X509_STORE_load_path(s, path) != 1) {
        X509_STORE_free(s);
        s = NULL;
    } else if (X509_STORE_set_ex_data(s, bytes_at, (void *)(uintptr_t)(TIMES * len)) == 1) {
        budget_add(BUDGET_CLIENTS, (ptrdiff_t)(TIMES * len));
    } else {
        out_of_memory();
    }
    sk_X509_INFO_pop_free(all, X509_INFO_free);
    BIO_free(in);
    ERR_clear_error();
    return s;
}

static enum status read_text(int fd, size_t size, char *text)
{
    size_t len = 0;
    while (len < size) {
        ssize_t n = read(fd, text + len, size - len);
        if (n <= 0)
            return ERR_IO; /* n is 0: it is being written, and the next one finds it whole */
        len += (size_t)n;
    }
    return OK;
}

static enum status read_file(const char *path, int fd, struct look *now, X509_STORE **ret,
                             struct err *err)
{
    size_t size = (size_t)now->is.st_size;
    char *text = mem_alloc(size + 1);
    enum status r = read_text(fd, size, text);
    if (r == OK) {
        hash_pieces(&(struct span){text, size}, 1, &now->high, &now->low);
        if (!is_known_text(path, now, ret))
            *ret = keep(path, now, parse(path, text, size));
    } else {
        r = err_set(err, r, "authorities: %.200s: cannot be read whole", path);
    }
    mem_free(text);
    return r;
}

static enum status look(const char *path, int fd, X509_STORE **ret, struct err *err)
{
    struct look now = {.at_ns = clock_mono_ns()};
    if (fd < 0 || fstat(fd, &now.is) != 0)
        return err_set(err, ERR_IO, "authorities: %.200s: %s", path, strerror(errno));
    if (!S_ISREG(now.is.st_mode))
        return err_set(err, ERR_INVALID, "authorities: %.200s: is no regular file", path);
    if (now.is.st_size > MAX_BYTES)
        return err_set(err, ERR_LIMIT, "authorities: %.200s: larger than %d bytes", path,
                       MAX_BYTES);
    X509_STORE *s = NULL;
    enum status r = is_known(path, &now, &s) ? OK : read_file(path, fd, &now, &s, err);
    if (r == OK && !s)
        r = err_set(err, ERR_INVALID, "authorities: %.200s: no certificates can be read", path);
    if (r == OK)
        *ret = s;
    return r;
}

enum status trust_get(const char *path, X509_STORE **ret, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, name_data);
    pthread_mutex_lock(&lock);
    drop_unused(clock_mono_ns());
    pthread_mutex_unlock(&lock);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO does not hold us up */
    enum status r = look(path, fd, ret, err);
    if (fd >= 0)
        close(fd);
    return r;
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
    pthread_mutex_lock(&lock);
    struct file *f = find_store(s);
    if (f)
        f->users++;
    pthread_mutex_unlock(&lock);
    SSL_CTX_set1_cert_store(ctx, s);
    if (SSL_CTX_set_ex_data(ctx, held_at, s) != 1) /* which has our reference now */
        out_of_memory();
    return CURLE_OK;
}

/* Without a file libcurl has nothing to keep; the folder is what it tells connections apart by. */
bool trust_apply(CURL *easy, const char *path)
{
    if (curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, take) != CURLE_OK)
        return false;
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, (void *)(uintptr_t)path);
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, NULL);
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
