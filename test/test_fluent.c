/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the Forward protocol, as msgpack-c reads them. */
#include "encoders.h"
#include "extra.h"
#include "mem.h"
#include "msgpack.h"
#include "read.h"
#include "test.h"

#include <math.h>
#include <msgpack.h>
#include <zlib.h>

enum { MESSAGE_MAX = 24 << 20 };

static const struct payload_id id = {0x0001020304050607, 0x08090a0b0c0d0e0f};
#define CHUNK "AAECAwQFBgcICQoLDA0ODw=="

static struct encoder_step encoder;
static struct payload *payload;
static struct buf raw;

/* settings: name, value, ..., NULL */
static void open_encoder(const char *const *settings)
{
    struct err err;
    encoder = (struct encoder_step){.ops = encoder_find("fluent"), .max_samples = SIZE_MAX};
    _Alignas(max_align_t) char conf[256] = {0};
    setting_defaults(encoder.ops->settings, conf);
    for (; settings[0]; settings += 2)
        CHECK_INT(
            setting_set(setting_find(encoder.ops->settings, settings[0]), conf, settings[1], &err),
            OK);
    CHECK_INT(encoder.ops->open(&encoder.self, conf, &err), OK);
    setting_done(encoder.ops->settings, conf);
    payload = payload_new("key", MESSAGE_MAX);
    payload->id = id;
    raw = (struct buf)BUF_INIT(MESSAGE_MAX);
}
#define OPEN(...) open_encoder((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void close_encoder(void)
{
    encoder.ops->close(encoder.self);
    payload_free(payload);
    buf_done(&raw);
}

static struct encoder_counts counts;

static size_t encode(const struct batch *b, size_t *from)
{
    buf_truncate(&payload->body, 0);
    return encoder_run(&encoder, b, from, payload, &raw, &counts);
}

/* What is read of a message. */
static struct message_read {
    msgpack_unpacked whole, inside;
    msgpack_object tag, option;
    const msgpack_object *entries;
    size_t len;
    char *plain;        /* of gzip */
    struct buf counted; /* of a packed one: its entries as an array */
} got;

static msgpack_object find(const msgpack_object *map, const char *name)
{
    CHECK_INT(map->type, MSGPACK_OBJECT_MAP);
    msgpack_object found = {.type = MSGPACK_OBJECT_NIL};
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *kv = &map->via.map.ptr[i];
        CHECK_INT(kv->key.type, MSGPACK_OBJECT_STR);
        if (!span_is((struct span){kv->key.via.str.ptr, kv->key.via.str.size}, name))
            continue;
        CHECK_INT(found.type, MSGPACK_OBJECT_NIL); /* no name twice */
        found = kv->val;
    }
    return found;
}

static bool is_text(msgpack_object o, const char *text)
{
    return o.type == MSGPACK_OBJECT_STR &&
           span_is((struct span){o.via.str.ptr, o.via.str.size}, text);
}

static struct span gunzip(struct span in)
{
    size_t most = 1100 * in.len < MESSAGE_MAX ? 1100 * in.len : MESSAGE_MAX;
    got.plain = mem_alloc(most);
    z_stream z = {.next_in = (Bytef *)in.data,
                  .avail_in = (uInt)in.len,
                  .next_out = (Bytef *)got.plain,
                  .avail_out = (uInt)most};
    CHECK_INT(inflateInit2(&z, 31), Z_OK);
    CHECK_INT(inflate(&z, Z_FINISH), Z_STREAM_END);
    CHECK_INT(z.avail_in, 0);
    struct span out = {got.plain, z.total_out};
    inflateEnd(&z);
    return out;
}

static void read_packed(struct span in, size_t samples)
{
    size_t at = 0;
    char head[MSGPACK_HEAD];
    got.counted = (struct buf)BUF_INIT(in.len + sizeof head);
    msgpack_put_head32(head, 0xdd, samples);
    CHECK_INT(buf_add(&got.counted, head, sizeof head), OK);
    CHECK_INT(buf_add(&got.counted, in.data, in.len), OK);
    CHECK_INT(msgpack_unpack_next(&got.inside, got.counted.data, got.counted.len, &at),
              MSGPACK_UNPACK_SUCCESS);
    CHECK_INT(at, got.counted.len);
    got.entries = got.inside.data.via.array.ptr;
    got.len = got.inside.data.via.array.size;
}

static void forget(void)
{
    msgpack_unpacked_destroy(&got.whole);
    msgpack_unpacked_destroy(&got.inside);
    mem_free(got.plain);
    buf_done(&got.counted);
    got.plain = NULL;
    got.len = 0;
}

static void read_whole(uint32_t members)
{
    size_t at = 0;
    const struct buf *body = &payload->body;
    forget();
    msgpack_unpacked_init(&got.whole);
    msgpack_unpacked_init(&got.inside);
    CHECK_INT(msgpack_unpack_next(&got.whole, body->data, body->len, &at), MSGPACK_UNPACK_SUCCESS);
    CHECK_INT(at, body->len); /* and nothing behind */
    const msgpack_object *o = &got.whole.data;
    CHECK(o->type == MSGPACK_OBJECT_ARRAY && o->via.array.size == members);
    got.tag = o->via.array.ptr[0];
    got.option = o->via.array.ptr[members - 1];
    CHECK(is_text(find(&got.option, "chunk"), CHUNK));
}

static void check_size(size_t samples)
{
    msgpack_object size = find(&got.option, "size");
    CHECK_INT(size.type, MSGPACK_OBJECT_POSITIVE_INTEGER);
    CHECK_INT(size.via.u64, samples);
}

/* The message of that many samples that was written last. */
static void read_message(const char *mode, size_t samples)
{
    bool alone = strcmp(mode, "message") == 0, gzip = strcmp(mode, "gzip") == 0;
    read_whole(alone ? 4 : 3);
    msgpack_object *second = &got.whole.data.via.array.ptr[1];
    CHECK(is_text(find(&got.option, "compressed"), "gzip") == gzip);
    CHECK_INT(got.option.via.map.size, 1 + !alone + gzip);
    if (!alone)
        check_size(samples);
    if (alone) { /* time and record stand where an entry has them */
        static msgpack_object pair;
        pair =
            (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {.size = 2, .ptr = second}};
        got.entries = &pair;
        got.len = 1;
    } else if (strcmp(mode, "forward") == 0) {
        CHECK_INT(second->type, MSGPACK_OBJECT_ARRAY);
        got.entries = second->via.array.ptr;
        got.len = second->via.array.size;
    } else {
        CHECK_INT(second->type, MSGPACK_OBJECT_BIN);
        struct span bin = {second->via.bin.ptr, second->via.bin.size};
        read_packed(gzip ? gunzip(bin) : bin, samples);
    }
    CHECK_INT(got.len, samples);
}

static void check_time(msgpack_object time, int64_t ts_ms)
{
    char want[8];
    uint32_t s = htobe32((uint32_t)(ts_ms / 1000)),
             ns = htobe32((uint32_t)(ts_ms % 1000) * 1000000);
    memcpy(want, &s, 4);
    memcpy(want + 4, &ns, 4);
    CHECK_INT(time.type, MSGPACK_OBJECT_EXT);
    CHECK(time.via.ext.type == 0 && time.via.ext.size == 8);
    CHECK_INT(memcmp(time.via.ext.ptr, want, 8), 0);
}

/* Of series s, with its labels; returns the record. */
static msgpack_object check_entry(size_t i, const struct series *s, int64_t ts_ms)
{
    const msgpack_object *entry = &got.entries[i];
    CHECK(entry->type == MSGPACK_OBJECT_ARRAY && entry->via.array.size == 2);
    check_time(entry->via.array.ptr[0], ts_ms);
    msgpack_object record = entry->via.array.ptr[1], tags = find(&record, "tags");
    CHECK(is_text(find(&record, "name"), series_name(s)));
    CHECK(is_text(find(&record, "type"), series_kind_name(s->family->kind)));
    uint32_t n = 0;
    for (struct label l = series_first(s); l.name; l = series_next(s, l), n++)
        CHECK(is_text(find(&tags, l.name), l.value));
    CHECK_INT(tags.via.map.size, n);
    return record;
}

static void check_value(msgpack_object record, double want)
{
    msgpack_object value = find(&record, "value");
    CHECK_INT(value.type, MSGPACK_OBJECT_FLOAT64);
    CHECK_INT(memcmp(&value.via.f64, &want, sizeof want), 0); /* bit for bit */
    CHECK_INT(find(&record, "ended").type, MSGPACK_OBJECT_NIL);
}

static const char *const modes[] = {"forward", "packed", "gzip", "message"};

/* Encodes b in that mode and compares all that comes out with it. */
static void check_batch(const char *mode, const struct batch *b)
{
    size_t from = 0, done = 0, n;
    while ((n = encode(b, &from)) > 0) {
        read_message(mode, n);
        for (size_t i = 0; i < n; i++) {
            const struct sample *s = &b->samples[done + i];
            check_value(check_entry(i, s->series, s->ts_ms), s->value);
        }
        done += n;
    }
    CHECK_INT(done, b->len);
    forget();
}

static const struct page_limits wide = {.max_series = 100000,
                                        .max_bytes = (size_t)64 << 20,
                                        .max_labels = 64,
                                        .max_name_bytes = 100000,
                                        .max_value_bytes = 100000,
                                        .max_samples = 100000,
                                        .max_new_series = 100000,
                                        .max_names = 10000,
                                        .max_line_bytes = (size_t)1 << 20};

TEST(every_mode_says_what_was_exposed)
{
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        OPEN("mode", modes[i]);
        AUTO_PTR(page) struct page *p = page_new(NULL, &wide, 1);
        struct batch *b =
            read_text(p, "# TYPE up gauge\nup{pod=\"a \\\"b\\\\\",ns=\"\t\"} 1.50\nbad NaN 0\n"
                         "low -Inf\nhigh +Inf\nzero -0\ntiny 5e-324\n# TYPE n_total counter\n"
                         "n_total 9007199254740993 4294967295999\n"
                         "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\nh_sum 2.5\nh_count 3\n");
        CHECK_INT(b->len, 10);
        check_batch(modes[i], b);
        check_batch(modes[i], b); /* now from the cache */
        close_encoder();
    }
}

/* name, with that many bytes */
static const char *text_of(size_t len)
{
    static char text[100000];
    CHECK(len < sizeof text);
    memset(text, 'x', len);
    text[len] = '\0';
    return text;
}

TEST(texts_of_any_length_are_said)
{
    static const size_t lengths[] = {1, 31, 32, 255, 256, 65535, 65536};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        const char *text = text_of(lengths[i]);
        AUTO(buf) struct buf page = BUF_INIT(1 << 20);
        CHECK_INT(buf_cat(&page, "# HELP ", text, " ", text, "\n", text, "{", text, "=\"", text,
                          "\"} 1\n", NULL),
                  OK);
        for (size_t k = 0; k < ARRAY_LEN(modes); k++) {
            OPEN("mode", modes[k], "help", "true");
            AUTO_PTR(page) struct page *p = page_new(NULL, &wide, 1);
            size_t from = 0;
            struct batch *b = read_text(p, page.data);
            CHECK_INT(b->len, 1);
            CHECK_INT(encode(b, &from), 1);
            read_message(modes[k], 1);
            msgpack_object record = check_entry(0, b->samples[0].series, b->samples[0].ts_ms);
            CHECK(is_text(find(&record, "help"), text));
            forget();
            close_encoder();
        }
    }
}

TEST(any_number_of_labels_is_said)
{
    for (size_t n = 0; n <= 40; n++) {
        AUTO(buf) struct buf page = BUF_INIT(1 << 20);
        CHECK_INT(buf_puts(&page, "a{"), OK);
        for (size_t i = 0; i < n; i++)
            CHECK_INT(buf_printf(&page, "%sl%zu=\"v%zu\"", i ? "," : "", i, i), OK);
        CHECK_INT(buf_puts(&page, "} 1\n"), OK);
        OPEN();
        AUTO_PTR(page) struct page *p = page_new(NULL, &wide, 1);
        check_batch("forward", read_text(p, page.data));
        close_encoder();
        OPEN("tags", "flat");
        AUTO_PTR(page) struct page *flat = page_new(NULL, &wide, 1);
        struct batch *b = read_text(flat, page.data);
        size_t from = 0;
        CHECK_INT(encode(b, &from), 1);
        read_message("forward", 1);
        msgpack_object record = got.entries[0].via.array.ptr[1];
        CHECK_INT(record.via.map.size, 3 + n);
        for (struct label l = series_first(b->samples[0].series); l.name;
             l = series_next(b->samples[0].series, l))
            CHECK(is_text(find(&record, l.name), l.value));
        forget();
        close_encoder();
    }
}

TEST(any_number_of_samples_is_said)
{
    static const size_t numbers[] = {1, 15, 16, 17, 127, 128, 255, 256, 65535, 65536};
    static char page[1 << 20];
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        size_t len = 0;
        for (size_t k = 0; k < numbers[i]; k++)
            len += (size_t)snprintf(page + len, sizeof page - len, "a{i=\"%zx\"} %zu\n", k, k % 10);
        AUTO_PTR(page) struct page *p = page_new(NULL, &wide, 1);
        const struct batch *b = read_text(p, page);
        CHECK_INT(b->len, numbers[i]);
        for (size_t m = 0; m < (numbers[i] > 1000 ? 1 : 3); m++) {
            OPEN("mode", modes[m]);
            size_t from = 0;
            CHECK_INT(encode(b, &from), numbers[i]);
            read_message(modes[m], numbers[i]);
            size_t last = numbers[i] - 1;
            check_value(got.entries[last].via.array.ptr[1], b->samples[last].value);
            forget();
            close_encoder();
        }
    }
}

TEST(messages_of_any_bound_are_whole_and_hold_all)
{
    for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
        OPEN("mode", modes[m]);
        AUTO_PTR(page) struct page *p = page_new(NULL, &wide, 1);
        AUTO(buf) struct buf text = BUF_INIT(1 << 20);
        for (size_t i = 0; i < 100; i++) /* nothing that gzip could make smaller */
            CHECK_INT(buf_printf(&text, "a{i=\"%llx\"} %zu\n", 0x9e3779b97f4a7c15ull * (i + 1), i),
                      OK);
        const struct batch *b = read_text(p, text.data);
        for (size_t max = 250; max < 1000; max += 97) {
            payload->body.max = max;
            counts = (struct encoder_counts){0};
            check_batch(modes[m], b);
            CHECK_INT(counts.encoded, 100);
        }
        payload->body.max = 100; /* the frame takes it all */
        counts = (struct encoder_counts){0};
        size_t from = 0;
        CHECK_INT(encode(b, &from), 0);
        CHECK_INT(counts.skipped[SKIP_TOO_LARGE], 100);
        close_encoder();
    }
}

TEST(a_time_that_32_bits_cannot_say_is_skipped)
{
    OPEN();
    AUTO_PTR(page) struct page *p = page_new(NULL, &wide, 1);
    counts = (struct encoder_counts){0};
    size_t from = 0;
    CHECK_INT(encode(read_text(p, "a 1 -1\nb 2 4294967296000\nc 3\n"), &from), 1);
    CHECK_INT(counts.skipped[SKIP_UNSAYABLE], 2);
    read_message("forward", 1);
    forget();
    close_encoder();
}

TEST(what_has_ended_is_said_without_a_value)
{
    for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
        OPEN("mode", modes[m]);
        AUTO_PTR(page) struct page *p = page_new(NULL, &wide, 1);
        size_t from = 0;
        const struct batch *b = read_text(p, "# UNIT a_s s\na_s{x=\"y\"} 1\n");
        CHECK_INT(encode(b, &from), 1);
        b = read_text(p, "");
        const struct series *s = b->ended[0];
        from = 0;
        CHECK_INT(encode(b, &from), 1);
        read_message(modes[m], 1);
        msgpack_object record = check_entry(0, s, b->scraped_ms);
        msgpack_object ended = find(&record, "ended");
        CHECK(ended.type == MSGPACK_OBJECT_BOOLEAN && ended.via.boolean);
        CHECK_INT(find(&record, "value").type, MSGPACK_OBJECT_NIL);
        CHECK(is_text(find(&record, "unit"), "s"));
        forget();
        close_encoder();
    }
}

static msgpack_object check_exemplar(msgpack_object record, uint32_t members, double value)
{
    msgpack_object e = find(&record, "exemplar");
    CHECK_INT(e.type, MSGPACK_OBJECT_MAP);
    CHECK_INT(e.via.map.size, members);
    check_value(e, value);
    return find(&e, "tags");
}

/* Of extra_batch; tells the order of members, too. */
static void check_extra(size_t i, msgpack_object record, uint32_t tags)
{
    static const char *const behind[4][5] = {{"value", "unit", "created", "exemplar", "help"},
                                             {"value", "exemplar"},
                                             {"value", "created", "help"},
                                             {"value"}};
    size_t n = 2 + tags;
    for (size_t k = 0; k < 5 && behind[i][k]; k++)
        CHECK(is_text(record.via.map.ptr[n++].key, behind[i][k]));
    CHECK_INT(record.via.map.size, n);
    if (i == 0) {
        msgpack_object e = find(&record, "exemplar");
        msgpack_object labels = check_exemplar(record, 3, 0.1);
        CHECK_INT(labels.via.map.size, 2);
        CHECK(is_text(find(&labels, "id"), "q\"") && is_text(find(&labels, "x"), "\xc3\xa9"));
        CHECK(is_text(find(&e, "timestamp"), "2026-11-21T14:25:59.999Z"));
        CHECK(is_text(find(&record, "created"), "2026-11-21T13:26:00.007Z"));
        CHECK(is_text(find(&record, "unit"), "s") && is_text(find(&record, "help"), "h\""));
    } else if (i == 1) {
        CHECK_INT(check_exemplar(record, 2, -0.0).via.map.size, 0);
    } else if (i == 2) {
        CHECK(is_text(find(&record, "created"), "1970-01-01T00:00:00.000Z"));
        CHECK(is_text(find(&record, "help"), "h"));
    }
}

TEST(created_and_exemplar_are_members_of_a_record)
{
    for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
        for (int scrape = 0; scrape < 2; scrape++) { /* constants made, then remembered */
            OPEN("mode", modes[m], "help", "true");
            AUTO_PTR(page) struct page *p = page_new(NULL, &wide, 1);
            const struct batch *b = extra_batch(p);
            size_t from = 0, done = 0, n;
            while ((n = encode(b, &from)) > 0) {
                read_message(modes[m], n);
                for (size_t i = 0; i < n; i++, done++) {
                    const struct sample *s = &b->samples[done];
                    msgpack_object record = check_entry(i, s->series, s->ts_ms);
                    check_value(record, s->value);
                    check_extra(done, record, 1);
                }
            }
            CHECK_INT(done, 4);
            forget();
            close_encoder();
        }
    }
}

/* The head of a map grows from one byte to three where it gets 16 members. */
TEST(a_record_may_get_more_members_than_its_head_says)
{
    for (size_t labels = 8; labels < 18; labels++) {
        AUTO(buf) struct buf text = BUF_INIT(1000);
        CHECK_INT(buf_puts(&text, "a{created=\"c\",exemplar=\"e\""), OK);
        for (size_t i = 2; i < labels; i++)
            CHECK_INT(buf_printf(&text, ",l%zu=\"v\"", i), OK);
        CHECK_INT(buf_puts(&text, "} 1\n"), OK);
        OPEN("tags", "flat");
        AUTO_PTR(page) struct page *p = page_new(NULL, &wide, 1);
        struct batch *b = read_text(p, text.data);
        b->extras_len = 0;
        extra_set(b, 0,
                  &(struct sample_extra){
                      .created_ms = 0, .has_exemplar = true, .exemplar = {.value = 2}});
        size_t from = 0;
        CHECK_INT(encode(b, &from), 1);
        read_message("forward", 1);
        msgpack_object record = got.entries[0].via.array.ptr[1];
        CHECK_INT(record.via.map.size, 3 + labels + 2);
        CHECK(is_text(find(&record, "created"), "1970-01-01T00:00:00.000Z"));
        CHECK(is_text(find(&record, "tag_created"), "c"));
        CHECK(is_text(find(&record, "tag_exemplar"), "e"));
        CHECK_INT(check_exemplar(record, 2, 2).via.map.size, 0);
        forget();
        close_encoder();
    }
}

TEST(a_flat_label_does_not_hide_a_member)
{
    OPEN("tags", "flat", "help", "true");
    AUTO_PTR(page) struct page *p = page_new(NULL, &wide, 1);
    size_t from = 0;
    const struct batch *b = read_text(p, "a{name=\"n\",tag_name=\"t\",value=\"v\",pod=\"p\"} 7\n");
    CHECK_INT(encode(b, &from), 1);
    read_message("forward", 1);
    msgpack_object record = got.entries[0].via.array.ptr[1];
    CHECK(is_text(find(&record, "name"), "a"));
    CHECK(is_text(find(&record, "tag_tag_name"), "n"));
    CHECK(is_text(find(&record, "tag_name"), "t"));
    CHECK(is_text(find(&record, "tag_value"), "v"));
    CHECK(is_text(find(&record, "pod"), "p"));
    check_value(record, 7);
    CHECK_INT(record.via.map.size, 7);
    forget();
    close_encoder();
}

/* The tag of a message of t. */
static void check_tag(const char *tag, struct target *t, const char *want)
{
    OPEN("tag", tag);
    AUTO_PTR(page) struct page *p = page_new(t, &wide, 1);
    size_t from = 0;
    CHECK_INT(encode(read_text(p, "a 1\n"), &from), 1);
    read_message("forward", 1);
    if (!is_text(got.tag, want))
        test_fail(__FILE__, __LINE__, "the tag of %s is %.*s", tag, (int)got.tag.via.str.size,
                  got.tag.via.str.ptr);
    forget();
    close_encoder();
}

TEST(tags_come_from_the_target)
{
    const struct label labels[] = {
        {"namespace", "shop"}, {"pod", "cart.0 *"}, {"long", text_of(300)}};
    AUTO_PTR(target)
    struct target *t = target_new(&(struct target){.id = "t",
                                                   .pool = "main",
                                                   .url = "http://10.0.0.7:80/m",
                                                   .labels = labels,
                                                   .labels_len = 3});
    check_tag("metrics.{pool}", t, "metrics.main");
    check_tag("{namespace}.{pod}", t, "shop.cart_0__");
    check_tag("{nothing}.{instance}", t, "unknown.10_0_0_7:80");
    check_tag("{long}", t, text_of(300));
    check_tag("metrics.{pool}", NULL, "metrics.unknown");
}

TEST(a_tag_that_cannot_be_is_refused)
{
    static const char *const bad[] = {"", "a b", "{", "a}", "{}", "a\tb"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const struct encoder_ops *ops = encoder_find("fluent");
        _Alignas(max_align_t) char conf[256] = {0};
        struct err err = {OK, ""};
        void *self;
        setting_defaults(ops->settings, conf);
        CHECK_INT(setting_set(setting_find(ops->settings, "tag"), conf, bad[i], NULL), OK);
        CHECK_INT(ops->open(&self, conf, &err), ERR_INVALID);
        CHECK(strncmp(err.text, "tag: ", 5) == 0);
        setting_done(ops->settings, conf);
    }
}

TEST(a_message_has_no_marks)
{
    for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
        OPEN("mode", modes[m]);
        AUTO_PTR(page) struct page *p = page_new(NULL, &wide, 1);
        size_t from = 0;
        CHECK(encode(read_text(p, "a 1\nb 2\n"), &from) > 0);
        CHECK_INT(payload->marks.len, 0);
        CHECK_STR(payload->content_type, "application/msgpack");
        close_encoder();
    }
}

TEST(a_repeat_scrape_allocates_nothing)
{
    for (size_t m = 0; m < 3; m++) {
        OPEN("mode", modes[m]);
        AUTO_PTR(page) struct page *p = page_new(NULL, &wide, 1);
        const char *text = "# TYPE a counter\na{x=\"y\"} 1\nb 2\n";
        size_t from = 0;
        CHECK_INT(encode(read_text(p, text), &from), 2);
        const struct batch *b = read_text(p, text);
        uint64_t before = mem_count();
        from = 0;
        CHECK_INT(encode(b, &from), 2);
        CHECK_INT(mem_count(), before);
        close_encoder();
    }
}
