/* SPDX-License-Identifier: Apache-2.0 */
#include "target_set.h"
#include "test.h"

enum { IDS = 50 };

static struct target *make(unsigned id, unsigned version)
{
    char name[16], url[16];
    snprintf(name, sizeof name, "t%u", id);
    snprintf(url, sizeof url, "%u", version);
    return target_new(&(struct target){.id = name, .url = url});
}

static struct target_entry *find(const struct target_set *s, unsigned id)
{
    char name[16];
    snprintf(name, sizeof name, "t%u", id);
    return target_set_get(s, name);
}

/* What the set holds is what have says: 0 for nothing, else the version. */
static void check_set(const struct target_set *s, const unsigned *have)
{
    size_t n = 0;
    char url[16];
    for (unsigned id = 0; id < IDS; id++) {
        const struct target_entry *e = find(s, id);
        CHECK((e != NULL) == (have[id] != 0));
        if (!e)
            continue;
        n++;
        snprintf(url, sizeof url, "%u", have[id]);
        CHECK_STR(e->target->url, url);
        CHECK(s->entries[e->at] == e);
    }
    CHECK_INT(s->len, n);
}

TEST(targets_are_put_replaced_and_removed_in_any_order)
{
    struct target_set s;
    unsigned have[IDS] = {0}, seed = 1;
    target_set_init(&s);
    for (unsigned step = 1; step <= 2000; step++) {
        unsigned id = (unsigned)rand_r(&seed) % IDS;
        if (rand_r(&seed) % 2) {
            struct target_entry *before = find(&s, id);
            const struct target_entry *e = target_set_put(&s, make(id, step));
            CHECK(!before || e == before);
            have[id] = step;
        } else if (have[id]) {
            target_set_remove(&s, find(&s, id));
            have[id] = 0;
        }
        if (step % 50 == 0)
            check_set(&s, have);
    }
    CHECK(s.len > 0);
    target_set_done(&s);
    CHECK_INT(s.len, 0);
    CHECK(find(&s, 1) == NULL);
    target_set_done(&s);
}

TEST(the_order_of_putting_stays_while_nothing_is_removed)
{
    struct target_set s;
    target_set_init(&s);
    for (unsigned id = 0; id < IDS; id++)
        target_set_put(&s, make(id, id));
    target_set_put(&s, make(3, 99));
    for (unsigned id = 0; id < IDS; id++)
        CHECK(s.entries[id] == find(&s, id));
    target_set_done(&s);
}
