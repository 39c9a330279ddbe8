/* SPDX-License-Identifier: Apache-2.0 */
/* hostile.h - answers of targets that misbehave.
 *
 *     /hang                no answer, ever
 *     /dribble             headers, then a byte of the page each second
 *     /slowheaders         a byte of the headers each second
 *     /hugeheaders         64 KiB of headers
 *     /large?bytes=N       a page of N bytes, whole pieces of 64 KiB; without N it never ends
 *     /bomb                100 MB of page in 650 KB, if gzip is accepted; else a small page
 *     /status?code=N       that status
 *     /cut                 half of what Content-Length promises
 *     /redirect            302 to /t/0
 *     /html                200, and a page for people
 *     /badline             a good page but for one line, the third
 *     /flap                every second request is answered with 503
 *     /gone?after=N        N good answers, then the connection is closed instead
 *
 * Anything else is 404.  */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "buf.h"
#include "clock.h"
#include "text.h"

enum hostile_mode {
    HOSTILE_HANG,
    HOSTILE_DRIBBLE,
    HOSTILE_SLOWHEADERS,
    HOSTILE_HUGEHEADERS,
    HOSTILE_LARGE,
    HOSTILE_BOMB,
    HOSTILE_STATUS,
    HOSTILE_CUT,
    HOSTILE_REDIRECT,
    HOSTILE_HTML,
    HOSTILE_BADLINE,
    HOSTILE_FLAP,
    HOSTILE_GONE,
    HOSTILE_MODES,
};
const char *hostile_name(enum hostile_mode mode); /* its path without the slash: static */

/* An answer being sent: out from sent on, then as the marks say. */
struct hostile {
    bool active, silent, drips, cuts;
    struct buf out;
    size_t sent;
    uint64_t again; /* how often out is sent once more, from the chunk on */
    size_t chunk;   /* where that begins; with drips: how much is sent at once */
};

/* Prepares the answer to path; rest is the request behind it.  Unknown paths count as
 * HOSTILE_STATUS. */
enum hostile_mode hostile_begin(struct hostile *h, const char *path, const char *rest);

/* A plain answer. */
void hostile_text(struct hostile *h, int status, const char *type, struct span body);

static inline bool hostile_active(const struct hostile *h)
{
    return h->active;
}

/* All of out is sent: true if there is more of it now. */
bool hostile_again(struct hostile *h);

void hostile_done(struct hostile *h);

#endif
