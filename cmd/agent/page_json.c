/* SPDX-License-Identifier: Apache-2.0 */
#include "page_json.h"

#include "json_out.h"

#include <math.h>

static void add_number(struct json_out *j, const char *key, double v)
{
    if (isnan(v))
        json_out_string(j, key, "NaN");
    else if (isinf(v))
        json_out_string(j, key, v > 0 ? "+Inf" : "-Inf");
    else
        json_out_double(j, key, v);
}

static struct span plain(struct buf *room, struct span text, bool escaped)
{
    buf_truncate(room, 0);
    char *at = escaped ? buf_room(room, text.len) : NULL;
    return at ? (struct span){at, promtext_unescape(at, text)} : text;
}

static void add_labels(struct json_out *j, const struct promtext_label *labels, size_t len)
{
    AUTO(buf) struct buf value = BUF_INIT(SIZE_MAX / 2);
    AUTO(buf) struct buf name = BUF_INIT(SIZE_MAX / 2);
    json_out_open(j, "labels", '[');
    for (size_t i = 0; i < len; i++) {
        const struct promtext_label *l = &labels[i];
        json_out_open(j, NULL, '[');
        json_out_span(j, NULL, plain(&name, l->name, l->name_escaped));
        json_out_span(j, NULL, plain(&value, l->value, l->escaped));
        json_out_close(j, ']');
    }
    json_out_close(j, ']');
}

static enum status end(struct json_out *j)
{
    json_out_close(j, '}');
    return j->status == OK ? buf_puts(j->out, "\n") : j->status;
}

enum status page_json_family(struct buf *out, const struct check_family *f)
{
    struct json_out j = JSON_OUT(out);
    json_out_open(&j, NULL, '{');
    json_out_span(&j, "family", f->name);
    json_out_string(&j, "type", series_kind_name(f->kind));
    if (f->has_unit)
        json_out_span(&j, "unit", f->unit);
    if (f->has_help)
        json_out_span(&j, "help", f->help);
    return end(&j);
}

enum status page_json_sample(struct buf *out, size_t number, const struct promtext_line *l)
{
    AUTO(buf) struct buf name = BUF_INIT(SIZE_MAX / 2);
    struct json_out j = JSON_OUT(out);
    const struct promtext_value *v = &l->value;
    const struct promtext_exemplar *e = v->exemplar;
    json_out_open(&j, NULL, '{');
    json_out_span(&j, "sample", plain(&name, l->name, l->name_escaped));
    json_out_uint(&j, "line", number);
    add_labels(&j, l->labels, l->labels_len);
    add_number(&j, "value", v->number);
    if (v->has_ts)
        json_out_int(&j, "timestamp_ms", v->ts_ms);
    if (v->has_created)
        json_out_int(&j, "created_ms", v->created_ms);
    if (e) {
        json_out_open(&j, "exemplar", '{');
        add_labels(&j, e->labels, e->labels_len);
        add_number(&j, "value", e->number);
        if (e->has_ts)
            json_out_int(&j, "timestamp_ms", e->ts_ms);
        json_out_close(&j, '}');
    }
    return end(&j);
}

enum status page_json_fault(struct buf *out, const struct check_fault *f)
{
    struct json_out j = JSON_OUT(out);
    json_out_open(&j, NULL, '{');
    json_out_string(&j, "fault", f->rule);
    json_out_uint(&j, "line", f->line);
    json_out_uint(&j, "column", f->column);
    json_out_span(&j, "token", f->token);
    json_out_string(&j, "what", f->what);
    return end(&j);
}
