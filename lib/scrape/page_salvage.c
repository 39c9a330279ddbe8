/* SPDX-License-Identifier: Apache-2.0 */
/* page_salvage.c - OpenMetrics salvaged: which lines of a faulty page are sound.
 *
 * check.h reads ahead of the reader, up to the next line that is not; up to there the reader takes
 * all.  Nothing is kept of a page but what check.h keeps. */
#include "check.h"
#include "mem.h"
#include "page_private.h"

struct salvage {
    struct reader *reader;
    struct check *check;
    struct check_fault last; /* that was told */
    const char *at, *end;    /* up to where was checked; of the body */
    bool exemplar;           /* of the line at reader->text.end nothing but the exemplar is wrong */
};

static void format_fault(struct err *ret, const struct check_fault *f)
{
    char token[PAGE_NAMED_TEXT];
    text_line(token, sizeof token, f->token);
    err_set(ret, ERR_INVALID, "line %zu, column %zu: %s: %s (%s)", f->line, f->column, token,
            f->what, f->rule);
}

static void count_flaw(struct reader *r, const struct check_fault *f)
{
    r->page->counts.flaws++;
    if (r->faults->flaws++ == 0)
        format_fault(&r->faults->first_flaw, f);
}

static void take_fault(void *of, const struct check_fault *f)
{
    struct salvage *s = of;
    s->reader->faulty = true;
    s->last = *f;
    if (f->missing)
        count_flaw(s->reader, f);
}

/* Up to the next line that cannot be taken as it is. */
static void look_ahead(struct salvage *s)
{
    struct reader *r = s->reader;
    while (s->at < s->end) {
        const char *line = s->at, *eol = memchr(line, '\n', (size_t)(s->end - line));
        s->at = eol ? eol + 1 : s->end;
        check_line(s->check, (struct span){line, (size_t)(s->at - line)});
        bool sound = check_is_sound(s->check);
        s->exemplar = sound && check_spoils_exemplar(s->check);
        if (!sound || s->exemplar) {
            r->text.end = line;
            return;
        }
    }
    r->text.end = s->end;
    check_end(s->check);
}

void reader_salvage(struct reader *r)
{
    const struct page *p = r->page;
    struct salvage *s = r->salvage = mem_alloc(sizeof *s);
    /* What is above the limit on samples is refused: of that nothing need be kept in mind. */
    struct check_conf conf = {.format = p->format,
                              .version2 = p->version2,
                              .lenient = true,
                              .max_line = p->limits.max_line_bytes,
                              .max_series = p->limits.max_samples,
                              .max_families = p->limits.max_samples,
                              .of = s,
                              .fault = take_fault};
    *s = (struct salvage){
        .reader = r, .check = check_new(&conf), .at = r->text.start, .end = r->text.end};
    look_ahead(s);
}

void reader_salvage_done(struct reader *r)
{
    if (!r->salvage)
        return;
    check_free(r->salvage->check);
    mem_free(r->salvage);
}

static enum page_refusal reason_of(const struct check_fault *f)
{
    if (strcmp(f->rule, "series-twice") == 0)
        return PAGE_SERIES_TWICE;
    return strcmp(f->rule, "label-twice") == 0 ? PAGE_LABEL_TWICE : PAGE_UNSOUND;
}

bool reader_unsound(struct reader *r, enum status *ret_status, struct err *ret_why)
{
    struct salvage *s = r->salvage;
    if (!s || r->text.end == s->end)
        return false;
    r->text.end = s->at;
    enum status status = promtext_next(&r->text, &r->line, NULL);
    *ret_status = ERR_CLOSED;
    r->text.at = s->at;
    if (status == OK && s->exemplar) {
        count_flaw(r, &s->last);
        r->line.value.exemplar = NULL;
        *ret_status = OK;
    } else if (status == OK && r->line.item == PROMTEXT_SAMPLE) {
        struct err why = {OK, ""};
        if (r->faults->refused == 0)
            format_fault(&why, &s->last);
        reader_refuse(r, reason_of(&s->last), why.text);
    } else if (status == ERR_LIMIT) {
        reader_refuse(r, PAGE_MAX_LABELS, NULL);
    } else if (status != ERR_CLOSED) {
        if (r->faults->lines_bad == 0)
            format_fault(ret_why, &s->last);
        *ret_status = ERR_INVALID;
    }
    look_ahead(s);
    return true;
}
