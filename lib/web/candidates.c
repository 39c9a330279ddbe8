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
                                    .why = "the same URL is scraped for another candidate",
                                    .winner = o->winner};
}

void candidate_write(struct json_out *j, const struct discover_candidate *c,
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
