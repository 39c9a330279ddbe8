/* SPDX-License-Identifier: Apache-2.0 */
/* test_spool.c - what a spool keeps, in which order, how much of it. */
#include "spool_rig.h"

static struct payload *full_payload(void)
{
    static const char *const headers[] = {"Content-Encoding: snappy", "X-Version: 0.1.0", NULL};
    struct payload *p = payload_new("x", 1000);
    CHECK_INT(payload_set_key(p, "prod", "shop/a/web:80/metrics"), OK);
    CHECK_INT(buf_add(&p->body, "a\0b\xff\n{}", 7), OK);
    CHECK_INT(buf_puts(&p->address, "metrics.shop"), OK);
    p->id = (struct payload_id){UINT64_C(0xfedcba9876543210), 1};
    p->content_type = "application/x-protobuf";
    p->headers = headers;
    p->samples = 5;
    p->due_ms = -3;
    p->scraped_ms = INT64_C(1700000000123);
    p->part = UINT32_C(1) << 31;
    p->seq = 42;
    payload_keep_mark(p, 0);
    payload_keep_mark(p, 2);
    payload_keep_mark(p, 6);
    p->marks.stride = 2;
    p->marks.records = 5;
    return p;
}

static void check_same(const struct payload *p, const struct payload *q)
{
    CHECK(p->body.len == q->body.len && memcmp(p->body.data, q->body.data, p->body.len) == 0);
    CHECK_STR(q->key.data, p->key.data);
    CHECK_STR(q->address.data, p->address.data);
    CHECK_STR(payload_target(q), payload_target(p));
    CHECK(p->id.high == q->id.high && p->id.low == q->id.low);
    CHECK_STR(q->content_type, p->content_type);
    for (size_t i = 0; i < 2; i++)
        CHECK_STR(q->headers[i], p->headers[i]);
    CHECK(!q->headers[2]);
    CHECK_INT(q->samples, p->samples);
    CHECK_INT(q->due_ms, p->due_ms);
    CHECK_INT(q->scraped_ms, p->scraped_ms);
    CHECK_INT(q->part, p->part);
    CHECK_INT(q->seq, p->seq);
    CHECK_INT(q->marks.len, 3);
    CHECK_INT(q->marks.stride, 2);
    CHECK_INT(q->marks.records, 5);
    CHECK(memcmp(q->marks.at, p->marks.at, 3 * sizeof *p->marks.at) == 0);
}

TEST(what_is_written_comes_back_bit_by_bit)
{
    struct spool_rig r;
    spool_rig_init(&r);
    spool_rig_open(&r);
    AUTO_PTR(payload) struct payload *p = full_payload();
    AUTO_PTR(payload) struct payload *bare = payload_new("y", 10);
    bare->seq = 43;
    struct payload *both[] = {p, bare};
    struct spool_write w = {.add = both, .add_len = 2};
    CHECK_INT(spool_write(r.spool, &w, &r.err), OK);
    CHECK_INT(w.added, 2);
    CHECK(p->row > 0 && bare->row > p->row);
    for (int again = 0; again < 2; again++) {
        AUTO_PTR(payload) struct payload *q = spool_rig_read(&r);
        CHECK(q);
        check_same(p, q);
        CHECK_INT(q->row, p->row);
        CHECK(q->unknown == (again > 0)); /* the process before may have sent it */
        AUTO_PTR(payload) struct payload *c = spool_rig_read(&r);
        CHECK(c);
        CHECK(!c->content_type && !c->headers);
        CHECK_INT(c->body.len + c->address.len + c->marks.len, 0);
        CHECK_STR(payload_target(c), "y");
        CHECK(!spool_rig_read(&r));
        spool_rig_close(&r);
        spool_rig_open(&r);
    }
    spool_rig_done(&r);
}

TEST(what_may_have_arrived_says_so_after_a_restart_and_since_when)
{
    struct spool_rig r;
    spool_rig_init(&r);
    spool_rig_open(&r);
    AUTO_PTR(payload) struct payload *p = spool_rig_payload(1, 10);
    AUTO_PTR(payload) struct payload *never = spool_rig_payload(2, 10);
    struct payload *both[] = {p, never};
    struct spool_write w = {.add = both, .add_len = 2};
    p->unknown = true;
    p->first_sent_ns = clock_mono_ns() - 60 * SEC_NS;
    CHECK_INT(spool_write(r.spool, &w, &r.err), OK);
    spool_rig_close(&r);
    spool_rig_open(&r);
    AUTO_PTR(payload) struct payload *q = spool_rig_read(&r);
    CHECK(q);
    CHECK(q->unknown);
    int64_t age_ns = clock_mono_ns() - q->first_sent_ns;
    CHECK(age_ns > 59 * SEC_NS && age_ns < 90 * SEC_NS);
    AUTO_PTR(payload) struct payload *o = spool_rig_read(&r);
    CHECK(o);
    CHECK(!o->unknown);
    CHECK_INT(o->first_sent_ns, 0);
    spool_rig_done(&r);
}

TEST(rows_are_read_by_seq_in_whatever_order_they_came)
{
    static const int64_t come[] = {5, 2, 9, 2, 7};
    static const int64_t go[] = {2, 2, 5, 7, 9, 0};
    struct spool_rig r;
    spool_rig_init(&r);
    spool_rig_open(&r);
    for (size_t i = 0; i < ARRAY_LEN(come); i++)
        CHECK_INT(spool_rig_write(&r, come[i], come[i], 10), OK);
    CHECK_INT(spool_stats(r.spool).unread, 5);
    for (size_t i = 0; i < ARRAY_LEN(go); i++)
        CHECK_INT(spool_rig_next(&r), go[i]);
    CHECK_INT(spool_stats(r.spool).unread, 0);
    CHECK_INT(spool_stats(r.spool).last_seq, 9);
    CHECK_INT(spool_rig_write(&r, 3, 3, 10), OK); /* behind what was read */
    CHECK_INT(spool_rig_next(&r), 3);
    spool_rig_done(&r);
}

TEST(what_is_forgotten_is_read_again_and_what_is_gone_is_not)
{
    struct spool_rig r;
    spool_rig_init(&r);
    spool_rig_open(&r);
    CHECK_INT(spool_rig_write(&r, 1, 4, 10), OK);
    struct payload *p[4];
    int64_t gone[3];
    for (size_t i = 0; i < 4; i++)
        p[i] = spool_rig_read(&r);
    for (size_t i = 0; i < 2; i++)
        gone[i] = p[2 * i]->row;
    gone[2] = gone[0]; /* twice does no harm */
    struct spool_write w = {.gone = gone, .gone_len = 3};
    CHECK_INT(spool_write(r.spool, &w, &r.err), OK);
    spool_forget(r.spool, p[3]);
    spool_forget(r.spool, p[1]);
    CHECK_INT(spool_rig_next(&r), 2);
    CHECK_INT(spool_rig_next(&r), 4);
    CHECK_INT(spool_rig_next(&r), 0);
    struct spool_stats s = spool_stats(r.spool);
    CHECK_INT(s.rows, 2);
    CHECK_INT(s.samples, 6);
    CHECK_INT(s.bytes, 20);
    CHECK_INT(s.oldest_ms, 2000);
    CHECK_INT(s.newest_ms, 4000);
    for (size_t i = 0; i < 4; i++)
        payload_free(p[i]);
    spool_rig_done(&r);
}

TEST(what_is_kept_counts_as_read)
{
    struct spool_rig r;
    spool_rig_init(&r);
    spool_rig_open(&r);
    AUTO_PTR(payload) struct payload *p = spool_rig_payload(1, 10);
    struct spool_write w = {.add = &p, .add_len = 1, .keep = true};
    CHECK_INT(spool_write(r.spool, &w, &r.err), OK);
    CHECK_INT(spool_stats(r.spool).unread, 0);
    CHECK_INT(spool_rig_next(&r), 0);
    spool_forget(r.spool, p);
    CHECK_INT(spool_rig_next(&r), 1);
    spool_rig_done(&r);
}

TEST(the_oldest_make_room_and_are_told_of)
{
    struct spool_rig r;
    int64_t dropped = 0, most = 0, in_memory = 0;
    AUTO_PTR(payload) struct payload *first = spool_rig_payload(1, 20000);
    spool_rig_init(&r);
    spool_rig_open(&r);
    struct spool_write w = {.add = &first, .add_len = 1, .keep = true};
    CHECK_INT(spool_write(r.spool, &w, &r.err), OK);
    for (int64_t seq = 2; seq <= 100; seq++) {
        AUTO_PTR(payload) struct payload *p = spool_rig_payload(seq, 20000);
        struct spool_write more = {.add = &p, .add_len = 1};
        CHECK_INT(spool_write(r.spool, &more, &r.err), OK);
        for (size_t i = 0; i < more.dropped_len; i++) {
            CHECK_INT(more.dropped[i].samples, 3);
            in_memory += more.dropped[i].payload == first;
            dropped++;
        }
        int64_t bytes = spool_rig_bytes(&r, "") + spool_rig_bytes(&r, "-wal");
        most = bytes > most ? bytes : most;
    }
    CHECK_INT(in_memory, 1);
    CHECK(dropped > 50);
    CHECK(most <= SPOOL_SIZE_MIN);
    CHECK(most > SPOOL_SIZE_MIN / 2);
    CHECK_INT(spool_stats(r.spool).rows, 100 - dropped);
    CHECK_INT(spool_rig_next(&r), dropped + 1); /* the newest are there */
    spool_rig_done(&r);
}

/* Somebody may still speak of those that are gone. */
TEST(a_number_of_a_row_does_not_come_twice)
{
    struct spool_rig r;
    struct payload *p[3];
    int64_t gone = 0;
    spool_rig_init(&r);
    spool_rig_open(&r);
    for (int i = 0; i < 3; i++) { /* the row before is the last there, and removed once more */
        p[i] = spool_rig_payload(i + 1, 10);
        for (int again = 0; again < 2; again++) {
            struct spool_write w = {
                .add = &p[i], .add_len = again ? 0 : 1, .gone = &gone, .gone_len = 1, .last_ms = 1};
            CHECK_INT(spool_write(r.spool, &w, &r.err), OK);
            CHECK_INT(w.removed, 1);
            CHECK(p[i]->row > gone);
            CHECK_INT(spool_stats(r.spool).rows, 1);
        }
        gone = p[i]->row;
    }
    spool_rig_close(&r);
    spool_rig_open(&r);
    CHECK_INT(spool_rig_write(&r, 4, 4, 10), OK); /* behind what is there */
    CHECK_INT(spool_rig_next(&r), 3);
    CHECK_INT(spool_rig_next(&r), 4);
    CHECK_INT(spool_rig_next(&r), 0);
    spool_rig_done(&r);
    for (int i = 0; i < 3; i++)
        payload_free(p[i]);
}

/* The log has no room for the removal of all that has ended. */
TEST(rows_that_have_ended_make_room_at_the_end_and_nobody_hears_of_them)
{
    enum { MANY = 175, NEW = 6 };
    struct spool_rig r;
    struct payload *old[MANY], *new[NEW];
    int64_t gone[MANY];
    spool_rig_init(&r);
    spool_rig_open(&r);
    for (int i = 0; i < MANY; i++) {
        old[i] = spool_rig_payload(i + 1, 3000);
        struct spool_write w = {.add = &old[i], .add_len = 1, .keep = true};
        CHECK_INT(spool_write(r.spool, &w, &r.err), OK);
        CHECK_INT(w.dropped_len, 0);
        gone[i] = old[i]->row;
        spool_ended(r.spool, gone[i]);
    }
    for (int i = 0; i < NEW; i++)
        new[i] = spool_rig_payload(MANY + 1 + i, 40000);
    for (size_t done = 0, removed = 0, calls = 0; done < NEW; calls++) {
        struct spool_write w = {.add = new + done,
                                .add_len = NEW - done,
                                .gone = gone + removed,
                                .gone_len = MANY - removed,
                                .last_ms = 1};
        CHECK_INT(spool_write(r.spool, &w, &r.err), OK);
        CHECK_INT(w.dropped_len, 0);
        done += w.added;
        removed += w.removed;
        CHECK(calls > 0 || (done < NEW && removed > 0 && spool_stats(r.spool).rows > MANY / 2));
    }
    CHECK(spool_stats(r.spool).rows >= NEW);
    CHECK(spool_rig_bytes(&r, "") + spool_rig_bytes(&r, "-wal") <= SPOOL_SIZE_MIN);
    for (int i = 0; i < MANY; i++)
        payload_free(old[i]);
    for (int i = 0; i < NEW; i++)
        payload_free(new[i]);
    spool_rig_done(&r);
}

TEST(one_that_would_fill_the_spool_is_not_taken)
{
    struct spool_rig r;
    spool_rig_init(&r);
    spool_rig_open(&r);
    struct payload *p[] = {spool_rig_payload(1, 10), spool_rig_payload(2, SPOOL_SIZE_MIN / 4 + 1),
                           spool_rig_payload(3, 10)};
    struct spool_write w = {.add = p, .add_len = 3};
    CHECK_INT(spool_write(r.spool, &w, &r.err), OK);
    CHECK_INT(w.added, 3);
    CHECK(p[0]->row > 0 && p[1]->row == 0 && p[2]->row > 0);
    for (size_t i = 0; i < 3; i++)
        payload_free(p[i]);
    spool_rig_done(&r);
}

TEST(a_commit_takes_no_more_than_the_log_may_have)
{
    enum { MANY = 40 };
    struct spool_rig r;
    struct payload *p[MANY];
    spool_rig_init(&r);
    spool_rig_open(&r);
    for (int64_t i = 0; i < MANY; i++)
        p[i] = spool_rig_payload(i + 1, 10000);
    size_t done = 0, calls = 0;
    while (done < MANY) {
        struct spool_write w = {.add = p + done, .add_len = MANY - done};
        CHECK_INT(spool_write(r.spool, &w, &r.err), OK);
        CHECK(w.added > 0);
        done += w.added;
        calls++;
        CHECK(spool_rig_bytes(&r, "-wal") <= SPOOL_SIZE_MIN / 4);
    }
    CHECK(calls > 3);
    CHECK_INT(spool_stats(r.spool).rows, MANY);
    for (size_t i = 0; i < MANY; i++)
        payload_free(p[i]);
    spool_rig_done(&r);
}

TEST(a_file_that_has_become_empty_is_made_small)
{
    enum { MANY = 300 };
    struct spool_rig r;
    int64_t gone[MANY];
    spool_rig_init(&r);
    r.conf.size = 16 * SPOOL_SIZE_MIN;
    spool_rig_open(&r);
    CHECK_INT(spool_rig_write(&r, 1, MANY, 20000), OK);
    for (size_t i = 0; i < MANY; i++) {
        AUTO_PTR(payload) struct payload *p = spool_rig_read(&r);
        CHECK(p);
        gone[i] = p->row;
    }
    CHECK(spool_stats(r.spool).file_bytes > 5 << 20);
    struct spool_write w = {.gone = gone, .gone_len = MANY};
    CHECK_INT(spool_write(r.spool, &w, &r.err), OK);
    CHECK(spool_stats(r.spool).file_bytes < 1 << 20);
    spool_rig_close(&r);
    CHECK(spool_rig_bytes(&r, "") < 1 << 20);
    CHECK_INT(spool_rig_bytes(&r, "-wal"), 0);
    spool_rig_open(&r);
    CHECK_INT(spool_rig_write(&r, 1, 1, 10), OK);
    spool_rig_done(&r);
}

TEST(a_body_too_long_for_who_reads_is_not_restored)
{
    struct spool_rig r;
    struct spool_row row;
    spool_rig_init(&r);
    r.conf.max_body = 100;
    spool_rig_open(&r);
    CHECK_INT(spool_rig_write(&r, 1, 1, 101), OK);
    CHECK_INT(spool_rig_write(&r, 2, 2, 100), OK);
    CHECK_INT(spool_next(r.spool, &row, &r.err), OK);
    CHECK_INT(row.bytes, 101);
    AUTO_PTR(payload) struct payload *p = payload_new("", 200);
    CHECK_INT(spool_restore(r.spool, &row, p, &r.err), ERR_LIMIT);
    struct spool_write w = {.gone = &row.row, .gone_len = 1};
    CHECK_INT(spool_write(r.spool, &w, &r.err), OK);
    CHECK_INT(spool_rig_next(&r), 2);
    CHECK_INT(spool_stats(r.spool).rows, 1);
    spool_rig_done(&r);
}

TEST(all_can_be_dropped)
{
    struct spool_rig r;
    int64_t samples;
    spool_rig_init(&r);
    spool_rig_open(&r);
    CHECK_INT(spool_rig_write(&r, 1, 5, 10), OK);
    CHECK_INT(spool_rig_next(&r), 1);
    CHECK_INT(spool_drop_all(r.spool, &samples, &r.err), OK);
    CHECK_INT(samples, 15);
    CHECK_INT(spool_stats(r.spool).rows, 0);
    CHECK_INT(spool_stats(r.spool).unread, 0);
    CHECK_INT(spool_rig_next(&r), 0);
    spool_rig_done(&r);
}

static bool count_line(void *to, const struct spool_line *line)
{
    int64_t *n = to;
    CHECK_INT(line->seq, ++*n);
    CHECK_STR(line->target, "shop/a");
    CHECK_STR(line->id + 28, "0007");
    return *n < 2;
}

TEST(anybody_may_look_while_a_process_has_it)
{
    struct spool_rig r;
    struct spool_view v;
    int64_t lines = 0;
    spool_rig_init(&r);
    spool_rig_open(&r);
    CHECK_INT(spool_rig_write(&r, 1, 5, 10), OK);
    CHECK_INT(spool_look(r.file, &v, &r.err), OK);
    CHECK_INT(v.stats.rows, 5);
    CHECK_INT(v.stats.samples, 15);
    CHECK_INT(v.stats.oldest_ms, 1000);
    CHECK_INT(v.stats.newest_ms, 5000);
    CHECK(v.locked);
    CHECK_INT(v.holder, getpid());
    CHECK_INT(spool_list(r.file, 10, count_line, &lines, &r.err), OK);
    CHECK_INT(lines, 2);
    CHECK_INT(spool_rig_write(&r, 6, 6, 10), OK);
    spool_rig_close(&r);
    CHECK_INT(spool_look(r.file, &v, &r.err), OK);
    CHECK(!v.locked);
    CHECK_INT(v.stats.rows, 6);
    CHECK_INT(spool_look("/nowhere/x.db", &v, &r.err), ERR_IO);
    spool_rig_done(&r);
}

static void count_payload(void *to, struct payload *p)
{
    p->row = 0;
    ++*(int *)to;
}

TEST(what_memory_has_is_released_and_a_row_can_be_put_back)
{
    struct spool_rig r;
    struct spool_row row;
    int n = 0;
    spool_rig_init(&r);
    spool_rig_open(&r);
    CHECK_INT(spool_rig_write(&r, 1, 3, 10), OK);
    AUTO_PTR(payload) struct payload *p = spool_rig_read(&r);
    CHECK(p);
    CHECK_INT(spool_next(r.spool, &row, &r.err), OK);
    spool_put_back(r.spool, &row);
    CHECK_INT(spool_unread(r.spool), 2);
    AUTO_PTR(payload) struct payload *q = spool_rig_read(&r);
    CHECK(q);
    CHECK_INT(q->seq, 2);
    spool_release(r.spool, count_payload, &n);
    CHECK_INT(n, 2);
    CHECK_INT(p->row + q->row, 0);
    spool_rig_done(&r);
}
