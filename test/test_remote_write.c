/* SPDX-License-Identifier: Apache-2.0 */
/* The message contract of the remote_write encoder, read back by protobuf-c and snappy. */
#include "extra.h"

#include <remote_write.pb-c.h>
#include <snappy-c.h>
#include <zstd.h>

#define ALL (1 << 20)

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The protobuf message inside a body. */
static struct buf uncompress(const struct payload *p)
{
    struct buf b = BUF_INIT(ALL);
    size_t len;
    if (strcmp(p->headers[0], "Content-Encoding: zstd") == 0) {
        char *whole = buf_room(&b, ALL);
        CHECK(whole != NULL);
        len = ZSTD_decompress(whole, ALL, p->body.data, p->body.len);
        CHECK(!ZSTD_isError(len));
        buf_used(&b, len);
        return b;
    }
    CHECK_INT(snappy_uncompressed_length(p->body.data, p->body.len, &len), SNAPPY_OK);
    char *room = buf_room(&b, len);
    CHECK(room != NULL);
    CHECK_INT(snappy_uncompress(p->body.data, p->body.len, room, &len), SNAPPY_OK);
    buf_used(&b, len);
    return b;
}

static void tell_sample(struct buf *out, size_t samples, Wire__Sample *const *s)
{
    CHECK_INT(samples, 1);
    CHECK_INT(buf_printf(out, " %016" PRIx64 " %" PRId64, bits_of(s[0]->value), s[0]->timestamp),
              OK);
}

static void tell_observed(struct buf *out, double value, int64_t ts_ms)
{
    CHECK_INT(buf_printf(out, "} %016" PRIx64 " %" PRId64, bits_of(value), ts_ms), OK);
}

/* "label=value,... bits ms", then " {label=value,...} bits ms" of exemplars; a line for each
 * series. */
static void tell_labelled(struct buf *out, const struct buf *body)
{
    Wire__WriteRequest *q =
        wire__write_request__unpack(NULL, body->len, (const uint8_t *)body->data);
    CHECK(q != NULL);
    CHECK(q->base.n_unknown_fields == 0);
    for (size_t i = 0; i < q->n_timeseries; i++) {
        const Wire__LabelledSeries *s = q->timeseries[i];
        for (size_t k = 0; k < s->n_labels; k++) {
            CHECK(k == 0 || strcmp(s->labels[k - 1]->name, s->labels[k]->name) < 0);
            CHECK_INT(
                buf_cat(out, k ? "," : "", s->labels[k]->name, "=", s->labels[k]->value, NULL), OK);
        }
        tell_sample(out, s->n_samples, s->samples);
        CHECK_INT(s->samples[0]->start_timestamp, 0);
        for (size_t k = 0; k < s->n_exemplars; k++) {
            const Wire__LabelledExemplar *e = s->exemplars[k];
            CHECK(e->base.n_unknown_fields == 0);
            CHECK_INT(buf_puts(out, " {"), OK);
            for (size_t n = 0; n < e->n_labels; n++)
                CHECK_INT(
                    buf_cat(out, n ? "," : "", e->labels[n]->name, "=", e->labels[n]->value, NULL),
                    OK);
            tell_observed(out, e->value, e->timestamp);
        }
        CHECK_INT(buf_puts(out, "\n"), OK);
    }
    wire__write_request__free_unpacked(q, NULL);
}

static const char *symbol(const Wire__Request *q, size_t number)
{
    CHECK(number < q->n_symbols);
    return q->symbols[number];
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_symbols(const Wire__Request *q)
{
    char **sorted = mem_alloc(q->n_symbols * sizeof *sorted);
    CHECK_STR(symbol(q, 0), "");
    memcpy(sorted, q->symbols, q->n_symbols * sizeof *sorted);
    qsort(sorted, q->n_symbols, sizeof *sorted, compare);
    for (size_t i = 1; i < q->n_symbols; i++)
        CHECK(strcmp(sorted[i - 1], sorted[i]) != 0);
    mem_free(sorted);
}

static void tell_referring_extra(struct buf *out, const Wire__Request *q,
                                 const Wire__ReferringSeries *s)
{
    for (size_t k = 0; k < s->n_exemplars; k++) {
        const Wire__ReferringExemplar *e = s->exemplars[k];
        CHECK(e->n_labels_refs % 2 == 0 && e->base.n_unknown_fields == 0);
        CHECK_INT(buf_puts(out, " {"), OK);
        for (size_t n = 0; n < e->n_labels_refs; n += 2)
            CHECK_INT(buf_cat(out, n ? "," : "", symbol(q, e->labels_refs[n]), "=",
                              symbol(q, e->labels_refs[n + 1]), NULL),
                      OK);
        tell_observed(out, e->value, e->timestamp);
    }
    CHECK_INT(s->created_timestamp, s->samples[0]->start_timestamp);
    if (s->created_timestamp)
        CHECK_INT(buf_printf(out, " since %" PRId64, s->created_timestamp), OK);
}

/* The same, then " since ms" and " type|help|unit" where there are any. */
static void tell_referring(struct buf *out, const struct buf *body)
{
    Wire__Request *q = wire__request__unpack(NULL, body->len, (const uint8_t *)body->data);
    CHECK(q != NULL && q->base.n_unknown_fields == 0);
    check_symbols(q);
    for (size_t i = 0; i < q->n_timeseries; i++) {
        const Wire__ReferringSeries *s = q->timeseries[i];
        CHECK(s->n_labels_refs % 2 == 0);
        for (size_t k = 0; k < s->n_labels_refs; k += 2) {
            const char *name = symbol(q, s->labels_refs[k]);
            CHECK(k == 0 || strcmp(symbol(q, s->labels_refs[k - 2]), name) < 0);
            CHECK_INT(buf_cat(out, k ? "," : "", name, "=", symbol(q, s->labels_refs[k + 1]), NULL),
                      OK);
        }
        tell_sample(out, s->n_samples, s->samples);
        CHECK(s->base.n_unknown_fields == 0);
        tell_referring_extra(out, q, s);
        if (s->metadata)
            CHECK_INT(buf_printf(out, " %d|%s|%s", (int)s->metadata->type,
                                 symbol(q, s->metadata->help_ref),
                                 symbol(q, s->metadata->unit_ref)),
                      OK);
        CHECK_INT(buf_puts(out, "\n"), OK);
    }
    wire__request__free_unpacked(q, NULL);
}

static bool has_symbols(const struct encoder_step *e)
{
    return strstr(e->ops->content_type(e->self), "write.v2") != NULL;
}

/* Encodes b and checks what its messages say, joined by "|\n". */
static struct encoder_counts check_told(const struct encoder_step *e, const struct batch *b,
                                        size_t max_bytes, const char *want)
{
    struct encoder_counts c = {0};
    AUTO(buf) struct buf all = BUF_INIT(ALL), raw = BUF_INIT(ALL);
    AUTO_PTR(payload) struct payload *p = payload_new("key", max_bytes);
    size_t from = 0;
    for (; encoder_run(e, b, &from, p, &raw, &c) > 0; buf_truncate(&p->body, 0)) {
        AUTO(buf) struct buf body = uncompress(p);
        CHECK(p->body.len <= max_bytes && p->marks.len == 0);
        if (all.len)
            CHECK_INT(buf_puts(&all, "|\n"), OK);
        if (has_symbols(e))
            tell_referring(&all, &body);
        else
            tell_labelled(&all, &body);
    }
    CHECK_INT(c.encoded + c.skipped[SKIP_UNSAYABLE] + c.skipped[SKIP_TOO_LARGE], b->len + c.ended);
    CHECK_STR(all.data, want);
    return c;
}

static void check_text(const char *conf, const char *text, const char *want)
{
    struct encoder_step e = encoder_configured("remote_write", conf);
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    for (int scrape = 0; scrape < 2; scrape++) /* constants made, then remembered */
        check_told(&e, read_text(p, text), 50000, want);
    e.ops->close(e.self);
}

#define TS " 1795271160123"

TEST(labels_are_sorted_with_the_name_among_them)
{
    static const char text[] = "# HELP a Some help.\n# TYPE a gauge\n# UNIT a s\n"
                               "a{x=\"1\",Zone=\"z\",_y=\"\xc3\xa9\",__a=\"0\"} 1\na 2 5\n"
                               "# TYPE b counter\nb{x=\"a\"} 0\nc{x=\"a\"} -0\nc{Z=\"\"} 3\n";
    check_text("version=v1", text,
               "Zone=z,__a=0,__name__=a,_y=\xc3\xa9,x=1 3ff0000000000000" TS "\n"
               "__name__=a 4000000000000000 5\n"
               "__name__=b,x=a 0000000000000000" TS "\n"
               "__name__=c,x=a 8000000000000000" TS "\n"
               "__name__=c 4008000000000000" TS "\n");
    check_text("version=v2", text,
               "Zone=z,__a=0,__name__=a,_y=\xc3\xa9,x=1 3ff0000000000000" TS " 2|Some help.|s\n"
               "__name__=a 4000000000000000 5 2|Some help.|s\n"
               "__name__=b,x=a 0000000000000000" TS " 1||\n"
               "__name__=c,x=a 8000000000000000" TS "\n"
               "__name__=c 4008000000000000" TS "\n");
    check_text("version=v2 help=false", "# HELP b h\n# TYPE b counter\nb 1\n",
               "__name__=b 3ff0000000000000" TS " 1||\n");
}

TEST(types_have_their_numbers)
{
    check_text("version=v2",
               "# TYPE h histogram\nh_count 1\n# TYPE s summary\ns_count 1\n# HELP u h\nu 1\n",
               "__name__=h_count 3ff0000000000000" TS " 3||\n"
               "__name__=s_count 3ff0000000000000" TS " 5||\n"
               "__name__=u 3ff0000000000000" TS " 0|h|\n");
}

TEST(values_and_times_pass_bit_for_bit)
{
    static const char text[] = "a NaN\nb +Inf\nc -Inf\nd 4.9e-324\ne 0.1 -1\nf 1 0\n"
                               "g 1 -62135596800000\nh 1 253402300799999\n";
    static const char *const versions[] = {"version=v1", "version=v2"};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++)
        check_text(versions[i], text,
                   "__name__=a 7ff8000000000001" TS "\n__name__=b 7ff0000000000000" TS "\n"
                   "__name__=c fff0000000000000" TS "\n__name__=d 0000000000000001" TS "\n"
                   "__name__=e 3fb999999999999a -1\n__name__=f 3ff0000000000000 0\n"
                   "__name__=g 3ff0000000000000 -62135596800000\n"
                   "__name__=h 3ff0000000000000 253402300799999\n");
}

TEST(an_ended_series_gets_the_stale_marker)
{
    static const char *const versions[] = {"version=v1", "version=v2"};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct encoder_step e = encoder_configured("remote_write", versions[i]);
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
        check_told(&e, read_text(p, "a{x=\"1\"} 1 5\nb 2\n"), 1000,
                   "__name__=a,x=1 3ff0000000000000 5\n__name__=b 4000000000000000" TS "\n");
        struct encoder_counts c = check_told(&e, read_text(p, "b 3\n"), 1000,
                                             "__name__=b 4008000000000000" TS
                                             "\n__name__=a,x=1 7ff0000000000002" TS "\n");
        CHECK_INT(c.ended, 1);
        e.ops->close(e.self);
    }
}

TEST(a_label_that_takes_the_place_of_the_name_is_skipped)
{
    static const char *const versions[] = {"version=v1", "version=v2"};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct encoder_step e = encoder_configured("remote_write", versions[i]);
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
        struct encoder_counts c = check_told(&e, read_text(p, "a{x=\"1\",__name__=\"b\"} 1\nb 2\n"),
                                             1000, "__name__=b 4000000000000000" TS "\n");
        CHECK_INT(c.skipped[SKIP_UNSAYABLE], 1);
        e.ops->close(e.self);
    }
}

/* Those of a message: 5,000 series, all labels of different length. */
static void make_page(struct buf *text, size_t series)
{
    for (size_t i = 0; i < series; i++)
        CHECK_INT(buf_printf(
                      text, "many_%zu{n=\"%0*zu\",pod=\"p-%zu\",uid=\"%zx\",x%0*zu=\"y\"} %zu\n",
                      i % 20, (int)(i % 150), i, i % 50, i * 0x9e3779b9u, (int)(i % 131), i, i + 1),
                  OK);
}

/* What others would have written of the same has as many bytes. */
static void check_packed(const struct encoder_step *e, const struct buf *body, size_t series)
{
    AUTO(buf) struct buf again = BUF_INIT(ALL);
    const uint8_t *data = (const uint8_t *)body->data;
    uint8_t *room = (uint8_t *)buf_room(&again, body->len);
    CHECK(room != NULL);
    if (has_symbols(e)) {
        Wire__Request *q = wire__request__unpack(NULL, body->len, data);
        CHECK_INT(q->n_timeseries, series);
        check_symbols(q);
        CHECK_INT(wire__request__get_packed_size(q), body->len);
        wire__request__free_unpacked(q, NULL);
        return;
    }
    Wire__WriteRequest *q = wire__write_request__unpack(NULL, body->len, data);
    CHECK_INT(q->n_timeseries, series);
    CHECK_INT(wire__write_request__pack(q, room), body->len);
    CHECK(memcmp(room, data, body->len) == 0);
    wire__write_request__free_unpacked(q, NULL);
}

TEST(messages_are_packed_as_others_pack_them)
{
    static const char *const versions[] = {"version=v1", "version=v2"};
    AUTO(buf) struct buf text = BUF_INIT(ALL);
    make_page(&text, 1000);
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct encoder_step e = encoder_configured("remote_write", versions[i]);
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
        AUTO_PTR(payload) struct payload *out = payload_new("key", ALL);
        AUTO(buf) struct buf raw = BUF_INIT(ALL);
        struct encoder_counts c = {0};
        size_t from = 0;
        e.max_samples = SIZE_MAX;
        CHECK_INT(encoder_run(&e, read_text(p, text.data), &from, out, &raw, &c), 1000);
        AUTO(buf) struct buf body = uncompress(out);
        check_packed(&e, &body, 1000);
        e.ops->close(e.self);
    }
}

/* Both versions say the same of the same page, in messages of any size. */
TEST(no_series_is_lost_or_changed_where_messages_end)
{
    static const size_t bounds[] = {700, 701, 1000, 4000, 20000};
    AUTO(buf) struct buf text = BUF_INIT(ALL);
    make_page(&text, 300);
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        AUTO(buf) struct buf one = BUF_INIT(ALL), two = BUF_INIT(ALL);
        for (size_t version = 0; version < 2; version++) {
            struct encoder_step e =
                encoder_configured("remote_write", version ? "version=v2" : "version=v1");
            AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
            AUTO_PTR(payload) struct payload *out = payload_new("key", bounds[i]);
            AUTO(buf) struct buf raw = BUF_INIT(ALL);
            struct encoder_counts c = {0};
            struct batch *b = read_text(p, text.data);
            for (size_t from = 0; encoder_run(&e, b, &from, out, &raw, &c) > 0;
                 buf_truncate(&out->body, 0)) {
                AUTO(buf) struct buf body = uncompress(out);
                CHECK(out->body.len <= bounds[i]);
                (version ? tell_referring : tell_labelled)(version ? &two : &one, &body);
            }
            CHECK_INT(c.encoded, 300);
            e.ops->close(e.self);
        }
        CHECK_STR(one.data, two.data);
    }
}

TEST(a_series_too_large_leaves_no_symbols_behind)
{
    struct encoder_step e = encoder_configured("remote_write", "version=v2");
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    AUTO(buf) struct buf text = BUF_INIT(1000);
    CHECK_INT(buf_printf(&text, "a{b=\"b\",x=\"%0300d\"} 1\nb{x=\"b\"} 2\n", 0), OK);
    struct encoder_counts c =
        check_told(&e, read_text(p, text.data), 200, "__name__=b,x=b 4000000000000000" TS "\n");
    CHECK_INT(c.skipped[SKIP_TOO_LARGE], 1);
    e.ops->close(e.self);
}

TEST(a_message_has_no_more_symbols_than_its_table)
{
    struct encoder_step e = encoder_configured("remote_write", "version=v2");
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    AUTO_PTR(payload) struct payload *out = payload_new("key", 4 * ALL);
    AUTO(buf) struct buf text = BUF_INIT(4 * ALL), raw = BUF_INIT(4 * ALL);
    struct encoder_counts c = {0};
    for (size_t i = 0; i < 9000; i++)
        CHECK_INT(buf_printf(&text, "a{x=\"x%zu\",y=\"y%zu\"} 1\n", i, i), OK);
    struct batch *b = read_text(p, text.data);
    size_t from = 0, first;
    e.max_samples = SIZE_MAX;
    first = encoder_run(&e, b, &from, out, &raw, &c);
    CHECK_INT(first, (16384 - 2 - 3) / 2); /* "", __name__, a, x, y */
    buf_truncate(&out->body, 0);
    CHECK_INT(encoder_run(&e, b, &from, out, &raw, &c), 9000 - first);
    CHECK_INT(c.encoded, 9000);
    e.ops->close(e.self);
}

TEST(what_finish_makes_fits_and_no_byte_is_left_over)
{
    struct encoder_step two = encoder_configured("remote_write", "version=v2");
    size_t table = two.ops->finish_max(two.self, snappy_max_compressed_length(1)) - 1;
    for (size_t max = 0; max < 3000; max++) {
        size_t len = two.ops->finish_max(two.self, max);
        CHECK(len == 0 || snappy_max_compressed_length(len - table) <= max);
        CHECK(snappy_max_compressed_length(len ? len - table + 1 : 1) > max);
    }
    two.ops->close(two.self);
}

TEST(messages_are_whole_in_any_bound)
{
    encoder_check_bounds("remote_write", "version=v1");
    encoder_check_bounds("remote_write", "version=v2");
}

TEST(a_repeat_scrape_allocates_nothing)
{
    encoder_check_repeat("remote_write", "version=v1");
    encoder_check_repeat("remote_write", "version=v2");
}

TEST(a_message_says_what_it_is)
{
    static const struct {
        const char *conf, *type, *version, *encoding;
    } cases[] = {
        {"version=v1", "application/x-protobuf", "X-Prometheus-Remote-Write-Version: 0.1.0",
         "snappy"},
        {"version=v2", "application/x-protobuf;proto=io.prometheus.write.v2.Request",
         "X-Prometheus-Remote-Write-Version: 2.0.0", "snappy"},
        {"version=v2 compression=zstd",
         "application/x-protobuf;proto=io.prometheus.write.v2.Request",
         "X-Prometheus-Remote-Write-Version: 2.0.0", "zstd"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct encoder_step e = encoder_configured("remote_write", cases[i].conf);
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
        AUTO_PTR(payload) struct payload *out = payload_new("key", 1000);
        AUTO(buf) struct buf raw = BUF_INIT(ALL);
        struct encoder_counts c = {0};
        size_t from = 0;
        CHECK_INT(encoder_run(&e, read_text(p, "a 1\n"), &from, out, &raw, &c), 1);
        CHECK_STR(out->content_type, cases[i].type);
        CHECK(strstr(out->headers[0], "Content-Encoding: ") == out->headers[0]);
        CHECK_STR(out->headers[0] + strlen("Content-Encoding: "), cases[i].encoding);
        CHECK_STR(out->headers[1], cases[i].version);
        CHECK(out->headers[2] == NULL);
        e.ops->close(e.self);
    }
}

#define A \
    "__name__=a_s,x=1 3ff0000000000000" TS " {id=q\",x=\xc3\xa9} 3fb999999999999a 1795271159999"
#define B "__name__=b_bucket,le=1 4000000000000000" TS " {} 8000000000000000" TS

TEST(exemplars_and_created_times_are_told)
{
    static const struct {
        const char *conf, *want;
    } cases[] = {
        {"version=v1",
         A "\n" B "\n__name__=c 4008000000000000" TS "\n__name__=d 4010000000000000" TS "\n"},
        {"version=v2", A " since 1795267560007 1|h\"|s\n" B " 3||\n__name__=c 4008000000000000" TS
                         " since 1 1|h|\n__name__=d 4010000000000000" TS "\n"},
        {"version=v2 compression=zstd help=false",
         A " since 1795267560007 1||s\n" B " 3||\n__name__=c 4008000000000000" TS
           " since 1 1||\n__name__=d 4010000000000000" TS "\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct encoder_step e = encoder_configured("remote_write", cases[i].conf);
        AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
        const struct batch *b = extra_batch(p);
        check_told(&e, b, 5000, cases[i].want);
        check_told(&e, b, 5000, cases[i].want); /* now from the cache */
        e.ops->close(e.self);
    }
}

/* n labels; those of OpenMetrics have at most 128 characters in all. */
static struct batch *many_labels(struct page *p, struct buf *labels, size_t n)
{
    struct batch *b = read_text(p, "a 1\n");
    for (size_t i = 0; i < n; i++) {
        CHECK_INT(buf_printf(labels, "l%03zu", i), OK);
        CHECK_INT(buf_add(labels, "\0\0", 2), OK);
    }
    b->extras_len = 0;
    extra_set(b, 0,
              &(struct sample_extra){.created_ms = EXTRA_NO_TIME,
                                     .has_exemplar = true,
                                     .exemplar = {.labels = {labels->data, labels->len}}});
    return b;
}

TEST(an_exemplar_of_too_many_labels_is_left_out_of_the_second_version)
{
    struct encoder_step e = encoder_configured("remote_write", "version=v2");
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    AUTO(buf) struct buf labels = BUF_INIT(10000), more = BUF_INIT(10000), want = BUF_INIT(10000);
    CHECK_INT(buf_puts(&want, "__name__=a 3ff0000000000000" TS " {"), OK);
    for (size_t i = 0; i < 128; i++)
        CHECK_INT(buf_printf(&want, "%sl%03zu=", i ? "," : "", i), OK);
    CHECK_INT(buf_puts(&want, "} 0000000000000000" TS "\n"), OK);
    check_told(&e, many_labels(p, &labels, 128), 50000, want.data);
    check_told(&e, many_labels(p, &more, 129), 50000, "__name__=a 3ff0000000000000" TS "\n");
    e.ops->close(e.self);
}

TEST(what_is_undone_with_its_exemplar_leaves_no_symbols_behind)
{
    struct encoder_step e = encoder_configured("remote_write", "version=v2");
    AUTO_PTR(page) struct page *p = page_new(NULL, &PAGE_LIMITS_DEFAULT, 1);
    AUTO(buf) struct buf labels = BUF_INIT(10000);
    struct batch *b = read_text(p, "a 1\nb{x=\"long\"} 2\n");
    CHECK_INT(buf_printf(&labels, "long"), OK);
    CHECK_INT(buf_add(&labels, "\0", 1), OK);
    CHECK_INT(buf_printf(&labels, "%0400d", 0), OK);
    CHECK_INT(buf_add(&labels, "\0", 1), OK);
    b->extras_len = 0;
    extra_set(b, 0,
              &(struct sample_extra){.created_ms = EXTRA_NO_TIME,
                                     .has_exemplar = true,
                                     .exemplar = {.labels = {labels.data, labels.len}}});
    struct encoder_counts c = check_told(&e, b, 200, "__name__=b,x=long 4000000000000000" TS "\n");
    CHECK_INT(c.skipped[SKIP_TOO_LARGE], 1);
    e.ops->close(e.self);
}

TEST(the_first_version_knows_no_zstd)
{
    encoder_check_refused("remote_write", "version=v1 compression=zstd",
                          "compression: version v1 knows snappy only");
}
