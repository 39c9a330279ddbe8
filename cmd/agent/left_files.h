/* SPDX-License-Identifier: Apache-2.0 */
/* left_files.h - spools with something in them that no output of the configuration has.
 *
 * Looked for in the folders that the configuration names.  */
#ifndef LEFT_FILES_H
#define LEFT_FILES_H

#include "config.h"
#include "view.h"

#define LEFT_FILES_MAX 100 /* further ones are not looked at */

struct left_files {
    struct view_left items[LEFT_FILES_MAX]; /* .file is owned */
    size_t len;
};

/* May wait for the disk.  The caller frees it: left_files_free. */
struct left_files *left_files_find(const struct config *c);
void left_files_free(struct left_files *f); /* NULL is fine */

/* Warns of those that are not in before, which may be NULL. */
void left_files_say(const struct left_files *f, const struct left_files *before);

#endif
