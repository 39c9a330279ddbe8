/* SPDX-License-Identifier: Apache-2.0 */
/* candidates.h - what became of each thing that discovery has found, in words.
 *
 * Discovery knows why something is no target of its source, the registry which targets are
 * not scraped.  */
#ifndef CANDIDATES_H
#define CANDIDATES_H

#include "discover.h"
#include "json_out.h"
#include "registry.h"

enum candidate_state {
    CANDIDATE_TARGET,  /* it is scraped */
    CANDIDATE_LOSER,   /* another source has found the same URL first */
    CANDIDATE_REFUSED, /* it is no target of its source */
    CANDIDATE_WAITING, /* no room in the registry */
    CANDIDATE_STATES
};
const char *candidate_state_name(enum candidate_state state);

struct candidate_shown {
    enum candidate_state state;
    const char *why;             /* NULL: nothing to say */
    const struct target *winner; /* of a loser, else NULL */
};
/* others as registry_others has them, borrowed. */
struct candidate_shown candidate_shown(const struct discover_candidate *c,
                                       const struct registry_other *others, size_t n);

/* The members candidates, of {"source", "id", "url", "state", "why", "winner", "winner_id"} each with
 * passwords left out, and candidates_left_out.  all NULL: none. */
void candidates_write(struct json_out *j, const struct discover_candidates *all,
                      const struct registry_other *others, size_t n);

#endif
