/* SPDX-License-Identifier: Apache-2.0 */
/* What every filter, encoder and sink must satisfy; a new one is covered the
 * moment it is in its table. */
#include "encoders.h"
#include "filters.h"
#include "sinks.h"
#include "test.h"

static void check_settings(const char *owner, const struct setting *table, size_t conf_size)
{
    char *conf = calloc(1, conf_size);
    for (const struct setting *s = table; s->name; s++) {
        struct err err;
        CHECK(s->help && s->help[0]);
        CHECK(s->offset < conf_size);
        CHECK(setting_find(table, s->name) == s); /* no name twice */
        if (s->type == SETTING_T_GROUP) {
            check_settings(owner, s->sub, conf_size - s->offset);
            continue;
        }
        if (s->type == SETTING_T_GROUPS)
            check_settings(owner, s->sub, s->sub_size);
        if (s->type == SETTING_T_LIST || s->type == SETTING_T_MAP || s->type == SETTING_T_GROUPS)
            continue; /* empty by default */
        CHECK((s->def != NULL) != ((s->flags & SETTING_REQUIRED) != 0));
        if (s->def && setting_set(s, conf, s->def, &err) != OK)
            test_fail(__FILE__, __LINE__, "%s: %s", owner, err.text);
    }
    setting_done(table, conf);
    free(conf);
}

#define CHECK_OPS(o)                                              \
    do {                                                          \
        CHECK((o)->name && (o)->name[0] && (o)->help);            \
        CHECK((o)->open && (o)->close && (o)->conf_size > 0);     \
        check_settings((o)->name, (o)->settings, (o)->conf_size); \
    } while (0)

TEST(every_filter_is_whole)
{
    for (const struct filter_ops *const *o = filter_all(); *o; o++) {
        CHECK_OPS(*o);
        CHECK((*o)->selects && (*o)->apply && filter_find((*o)->name) == *o);
    }
}

TEST(every_encoder_is_whole)
{
    for (const struct encoder_ops *const *o = encoder_all(); *o; o++) {
        CHECK_OPS(*o);
        CHECK((*o)->constant && (*o)->append && (*o)->content_type);
        CHECK(((*o)->finish != NULL) == ((*o)->finish_max != NULL));
        CHECK(encoder_find((*o)->name) == *o);
    }
}

TEST(every_sink_is_whole)
{
    for (const struct sink_ops *const *o = sink_all(); *o; o++) {
        CHECK_OPS(*o);
        CHECK((*o)->send && (*o)->max_payload > 0 && sink_find((*o)->name) == *o);
    }
}
