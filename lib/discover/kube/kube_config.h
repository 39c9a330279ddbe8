/* SPDX-License-Identifier: Apache-2.0 */
/* kube_config.h - kubeconfig files, several of them read as one.
 *
 *     struct kube_config *c = kube_config_new();
 *     kube_config_add(c, path, text, &err);       for each file, the most important one first
 *     kube_config_access(c, "", &access, &err);
 *     kube_config_free(c);
 *
 * The first file that names a cluster, user or context gives the whole of it; relative paths start
 * at the folder of the file that holds them.  Messages: "FILE: LINE:COLUMN: what is wrong".  For
 * kube_access.c.  */
#ifndef KUBE_CONFIG_H
#define KUBE_CONFIG_H

#include "kube_access.h"
#include "yaml.h"

#define KUBE_CONFIG_MAX   (1u << 20) /* bytes of a file */
#define KUBE_CONFIG_FILES 32

struct kube_config;
struct kube_config *kube_config_new(void);
void kube_config_free(struct kube_config *c); /* NULL is fine */

/* ERR_INVALID, ERR_LIMIT: it is no kubeconfig, or one too many. */
enum status kube_config_add(struct kube_config *c, const char *path, struct span text,
                            struct err *err) NODISCARD;

/* context "": the current one.  Errors as kube_access_find. */
enum status kube_config_access(const struct kube_config *c, const char *context,
                               struct kube_access **ret, struct err *err) NODISCARD;

/* What follows is shared by the files of this module. */

/* A cluster, a user or a context, or a map within it. */
struct kube_thing {
    const char *path;            /* of its file */
    const char *kind, *name;     /* "user", "admin" */
    const struct yaml_node *map; /* NULL: empty */
    struct err *err;
    enum status status; /* of the first fault; the rest is then left out */
};

enum status kube_thing_fault(struct kube_thing *t, const struct yaml_node *at, const char *fmt, ...)
    PRINTF(3, 4);
const char *kube_thing_text(struct kube_thing *t, const char *key);            /* "": none */
bool kube_thing_bool(struct kube_thing *t, const char *key);                   /* false: none */
const struct yaml_node *kube_thing_map(struct kube_thing *t, const char *key); /* NULL: none */
/* The list's items; NULL and 0: none. */
const struct yaml_node *kube_thing_list(struct kube_thing *t, const char *key);
char *kube_thing_path(struct kube_thing *t, const char *key); /* NULL: none; the caller's */

/* exec of that user, for the cluster of a; a->exec is written. */
void kube_config_exec(struct kube_thing *user, struct kube_access *a);

/* An access that says nothing yet. */
struct kube_access *kube_access_new(void);
/* Checks the whole, and gives it its identity. */
enum status kube_access_seal(struct kube_access *a, struct err *err) NODISCARD;

/* A regular file of at most 1 MiB, behind what out holds.  Errors as kube_access_find. */
enum status kube_config_read(const char *path, struct buf *out, struct err *err) NODISCARD;

#endif
