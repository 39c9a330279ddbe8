/* SPDX-License-Identifier: Apache-2.0 */
/* kube_exec.c - a child process between three descriptors. */
#include "kube_exec.h"

#include "buf.h"
#include "confine.h"
#include "kube_answer.h"
#include "mem.h"
#include "secret.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STDERR_MAX = 1024, READS = 64, NAME_SHOWN = 60 };
#define TICK_NS (20 * MS_NS) /* without a pidfd: between two looks */

struct kube_exec_run {
    const struct kube_exec *exec;
    pid_t pid;         /* 0: has been waited for */
    int out, err, end; /* -1: closed; end is its pidfd */
    struct buf said, complained;
    bool too_much;
    int64_t deadline_ns, looked_ns;
};

void kube_credential_done(struct kube_credential *c)
{
    if (c->token)
        explicit_bzero(c->token, strlen(c->token));
    if (c->key)
        explicit_bzero(c->key, strlen(c->key));
    mem_free(c->token);
    mem_free(c->cert);
    mem_free(c->key);
    *c = (struct kube_credential){.token = NULL};
}

/* The answer. */

static char *text_of(const cJSON *map, const char *key)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(map, key);
    return cJSON_IsString(n) && n->valuestring[0] ? mem_strdup(n->valuestring) : NULL;
}

/* RFC 3339. */
static bool parse_time(const char *text, int64_t *ret_ms)
{
    struct tm t = {.tm_sec = 0};
    const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &t);
    if (!at)
        return false;
    if (*at == '.')
        at += 1 + strspn(at + 1, "0123456789");
    int64_t seconds = timegm(&t);
    int hours, minutes, read = 0;
    if (*at == '+' || *at == '-') {
        if (sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &read) != 2 || at[1 + read] != '\0')
            return false;
        seconds -= (*at == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
    } else if (strcmp(at, "Z") != 0) {
        return false;
    }
    *ret_ms = seconds * 1000;
    return true;
}

static enum status read_status(struct kube_credential *c, const cJSON *status, struct err *err)
{
    char *expires = text_of(status, "expirationTimestamp");
    bool good = !expires || parse_time(expires, &c->expires_ms);
    mem_free(expires);
    c->token = text_of(status, "token");
    c->cert = text_of(status, "clientCertificateData");
    c->key = text_of(status, "clientKeyData");
    if (!good)
        return err_set(err, ERR_INVALID, "its expirationTimestamp is no time");
    if (!c->cert != !c->key)
        return err_set(err, ERR_INVALID, "clientCertificateData and clientKeyData go together");
    if (!c->token && !c->cert)
        return err_set(err, ERR_INVALID, "it gave neither a token nor a certificate");
    if (c->token && strlen(c->token) > SECRET_MAX)
        return err_set(err, ERR_INVALID, "its token has more than %d bytes", SECRET_MAX);
    for (const char *p = c->token ? c->token : ""; *p; p++)
        if ((unsigned char)*p < ' ')
            return err_set(err, ERR_INVALID, "a control character in its token");
    return OK;
}

enum status kube_credential_parse(struct kube_credential *ret, struct span json,
                                  const char *api_version, struct err *err)
{
    struct kube_credential c = {.token = NULL};
    cJSON *root = cJSON_ParseWithLength(json.data, json.len);
    char *kind = text_of(root, "kind"), *version = text_of(root, "apiVersion");
    enum status s = OK;
    if (!kind || strcmp(kind, "ExecCredential") != 0)
        s = err_set(err, ERR_INVALID, "what it wrote is no ExecCredential");
    else if (!version || strcmp(version, api_version) != 0)
        s = err_set(err, ERR_INVALID, "it wrote another apiVersion than %s", api_version);
    else
        s = read_status(&c, cJSON_GetObjectItemCaseSensitive(root, "status"), err);
    if (s == OK)
        *ret = c;
    else
        kube_credential_done(&c);
    mem_free(kind);
    mem_free(version);
    cJSON_Delete(root);
    return s;
}

/* The process. */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void kube_exec_free(struct kube_exec_run *r)
{
    if (!r)
        return;
    if (r->pid > 0) {
        kill(-r->pid, SIGKILL);
        waitpid(r->pid, NULL, 0);
    }
    close_fd(&r->out);
    close_fd(&r->err);
    close_fd(&r->end);
    explicit_bzero(r->said.data, r->said.len);
    buf_done(&r->said);
    buf_done(&r->complained);
    mem_free(r);
}

/* 0, or errno. */
static int spawn(struct kube_exec_run *r, int out, int err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&files) != 0 || posix_spawnattr_init(&attr) != 0)
        abort(); /* out of memory, as mem.h would say it */
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    posix_spawn_file_actions_adddup2(&files, err, 2);
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    char **argv = r->exec->argv;
    int why = posix_spawnp(&r->pid, argv[0], &files, &attr, argv, r->exec->envp);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    if (why != 0)
        r->pid = 0;
    return why;
}

static bool watch(int epoll_fd, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0;
}

/* Only our end must not block: the other one is the plugin's. */
static bool make_pipe(int ends[2], int epoll_fd)
{
    return pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 &&
           watch(epoll_fd, ends[0]);
}

/* The filter is made when the agent starts, by the kubeconfig of that day. */
static const char restart[] = ": the agent must be started anew, it was told of no plugin then";

static enum status start(struct kube_exec_run *r, int epoll_fd, struct err *err)
{
    int out[2] = {-1, -1}, complaints[2] = {-1, -1};
    bool made = make_pipe(out, epoll_fd) && make_pipe(complaints, epoll_fd);
    int why = made ? spawn(r, out[1], complaints[1]) : errno;
    r->out = out[0];
    r->err = complaints[0];
    close_fd(&out[1]);
    close_fd(&complaints[1]);
    if (why != 0)
        return err_set(err, made && why != EAGAIN && why != ENOMEM ? ERR_DENIED : ERR_IO,
                       "exec plugin '%.*s': %s%s%s%.80s", NAME_SHOWN, r->exec->argv[0],
                       strerror(why), why == EPERM && confine_is_on() ? restart : "",
                       r->exec->hint[0] ? "; " : "", r->exec->hint);
    r->end = pidfd_open(r->pid, 0);
    if (r->end >= 0 && !watch(epoll_fd, r->end))
        close_fd(&r->end);
    return OK;
}

enum status kube_exec_start(struct kube_exec_run **ret, const struct kube_exec *exec, int epoll_fd,
                            struct err *err)
{
    struct kube_exec_run *r = mem_alloc(sizeof *r);
    *r = (struct kube_exec_run){.exec = exec,
                                .out = -1,
                                .err = -1,
                                .end = -1,
                                .said = BUF_INIT(KUBE_EXEC_OUT_MAX),
                                .complained = BUF_INIT(STDERR_MAX)};
    r->looked_ns = clock_mono_ns();
    r->deadline_ns = r->looked_ns + KUBE_EXEC_TIME_NS;
    enum status s = start(r, epoll_fd, err);
    if (s == OK)
        *ret = r;
    else
        kube_exec_free(r);
    return s;
}

int64_t kube_exec_timer_ns(const struct kube_exec_run *r)
{
    int64_t tick_ns = r->looked_ns + TICK_NS;
    return r->end < 0 ? clock_earlier(tick_ns, r->deadline_ns) : r->deadline_ns;
}

/* What is there; all of it is read, so that the plugin goes on. False: it has ended, or is enough. */
static void drain(int *fd, struct buf *to, bool *ret_too_much)
{
    char chunk[16384];
    for (int i = 0; i < READS && *fd >= 0; i++) {
        ssize_t n = read(*fd, chunk, sizeof chunk);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0) {
            close_fd(fd);
            break;
        }
        size_t room = to->max - to->len, take = (size_t)n < room ? (size_t)n : room;
        if (buf_add(to, chunk, take) != OK || take < (size_t)n)
            *ret_too_much = true;
    }
    explicit_bzero(chunk, sizeof chunk);
}

static enum status fail(const struct kube_exec_run *r, struct err *err, const char *what)
{
    char line[121];
    text_line(line, sizeof line, (struct span){r->complained.data, r->complained.len});
    return err_set(err, ERR_DENIED, "exec plugin '%.*s': %.80s%s%s", NAME_SHOWN, r->exec->argv[0],
                   what, line[0] ? ": " : "", line);
}

static enum status conclude(struct kube_exec_run *r, int how, struct kube_credential *ret,
                            struct err *err)
{
    char what[80];
    struct err why;
    if (WIFSIGNALED(how)) {
        snprintf(what, sizeof what, "ended by signal %d", WTERMSIG(how));
        return fail(r, err, what);
    }
    if (WEXITSTATUS(how) != 0) {
        snprintf(what, sizeof what, "exit code %d", WEXITSTATUS(how));
        return fail(r, err, what);
    }
    if (kube_credential_parse(ret, (struct span){r->said.data, r->said.len}, r->exec->api_version,
                              &why) != OK)
        return fail(r, err, why.text);
    return OK;
}

enum status kube_exec_poll(struct kube_exec_run *r, struct kube_credential *ret, struct err *err)
{
    int how;
    bool more = false;
    pid_t ended = waitpid(r->pid, &how, WNOHANG); /* before reading: nothing comes behind it */
    r->looked_ns = clock_mono_ns();
    drain(&r->out, &r->said, &r->too_much);
    drain(&r->err, &r->complained, &more);
    if (r->too_much)
        return fail(r, err, "it wrote more than 1 MiB");
    if (ended == r->pid) {
        r->pid = 0;
        return conclude(r, how, ret, err);
    }
    if (ended < 0) {
        r->pid = 0; /* somebody else has waited for it: nothing is known of its end */
        return conclude(r, 0, ret, err);
    }
    if (r->looked_ns >= r->deadline_ns)
        return fail(r, err, "not done within 60 s");
    return ERR_AGAIN;
}
