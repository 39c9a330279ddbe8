/* SPDX-License-Identifier: Apache-2.0 */
#include "candidates.h"

#include "health.h"

const char *candidate_state_name(enum candidate_state state)
{
    static const char *const names[CANDIDATE_STATES] = {[CANDIDATE_TARGET] = "target",
                                                        [CANDIDATE_LOSER] = "loser",
                                                        [CANDIDATE_REFUSED] = "refused",
                                                        [CANDIDATE_WAITING] = "waiting"};
    return names[state];
}

struct candidate_shown candidate_shown(const struct discover_candidate *c,
                                       const struct registry_other *others, size_t n)
{
    if (c->why)
        return (struct candidate_shown){.state = CANDIDATE_REFUSED, .why = c->why};
    const struct registry_other *o = registry_other_find(others, n, c->source, c->id);
    if (!o)
        return (struct candidate_shown){.state = CANDIDATE_TARGET};
    if (!o->winner)
        return (struct candidate_shown){.state = CANDIDATE_WAITING,
                                        .why = "above the agent's bound of targets"};
    return (struct candidate_shown){.state = CANDIDATE_LOSER,
                                    .why = "another candidate of the same URL goes before it",
                                    .winner = o->winner};
}

static void write_one(struct json_out *j, const struct discover_candidate *c,
                      const struct candidate_shown *shown)
{
    AUTO(buf) struct buf url = BUF_INIT(HEALTH_URL_MAX);
    json_out_open(j, NULL, '{');
    json_out_string(j, "source", c->source_name);
    json_out_string(j, "id", health_url(c->id, &url));
    json_out_string(j, "url", health_url(c->url, &url));
    json_out_string(j, "state", candidate_state_name(shown->state));
    json_out_string(j, "why", shown->why);
    json_out_string(j, "winner", shown->winner ? shown->winner->source : NULL);
    json_out_string(j, "winner_id", shown->winner ? health_url(shown->winner->id, &url) : NULL);
    json_out_close(j, '}');
}

void candidates_write(struct json_out *j, const struct discover_candidates *all,
                      const struct registry_other *others, size_t n)
{
    json_out_open(j, "candidates", '[');
    for (size_t i = 0; all && i < all->len && j->status == OK; i++) {
        struct candidate_shown shown = candidate_shown(&all->all[i], others, n);
        write_one(j, &all->all[i], &shown);
    }
    json_out_close(j, ']');
    json_out_uint(j, "candidates_left_out", all ? all->left_out : 0);
}
