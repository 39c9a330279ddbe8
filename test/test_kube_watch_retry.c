/* SPDX-License-Identifier: Apache-2.0 */
/* test_kube_watch_retry.c - when the API server is asked again, and from where. */
#include "kube_pace.h"
#include "kube_watch_test.h"

enum { AGENTS = 200 };

TEST(a_watch_that_the_server_ends_at_once_backs_off)
{
    synced();
    pass(10 * SEC_NS);
    done(OK, 200, 0, "");
    asked_at_once();
    int64_t least = 100 * MS_NS;
    for (int i = 0; i < 8; i++) {
        done(OK, 200, 0, "");
        int64_t wait = asked_after();
        CHECK(wait >= least && wait <= 2 * least);
        if (i == 2)
            SAID(""); /* three may be chance */
        least = least * 2 < 15 * SEC_NS ? least * 2 : 15 * SEC_NS;
        CHECK_STR(asked(), WATCH_PATH "10");
    }
    SAID("ill");
    CHECK_INT(kube_watch_state(watch)->lists, 1);
    pass(6 * SEC_NS);
    done(OK, 200, 0, "");
    asked_at_once();
}

TEST(a_server_that_is_away_says_nothing_about_streaming_lists)
{
    static const struct {
        enum status status;
        int code;
    } ends[] = {{ERR_IO, 0}, {ERR_DENIED, 403}, {ERR_AGAIN, 429}};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        start((struct kube_watch_conf){0});
        for (int k = 0; k < 10; k++) {
            CHECK_STR(asked(), STREAM_PATH);
            done(ends[i].status, ends[i].code, 0, "");
            asked_after();
        }
        SAID("ill");
        CHECK_INT(kube_watch_state(watch)->fault.status, ends[i].status);
    }
}

TEST(history_that_has_expired_is_listed_again_within_the_spread)
{
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < AGENTS; i++) {
        synced();
        pass(10 * SEC_NS);
        if (i % 2)
            bytes(ERROR(410, "too old resource version"));
        else
            done(ERR_INVALID, 410, 0, "");
        SAID("");
        int64_t wait = asked_after();
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
        CHECK_STR(asked(), STREAM_PATH);
        CHECK_INT(kube_watch_state(watch)->expired, 1);
    }
    CHECK(least < 3 * SEC_NS);
    CHECK(most > 27 * SEC_NS && most <= 30 * SEC_NS);
}

TEST(history_that_expires_each_time_backs_off)
{
    synced_by_list((struct kube_watch_conf){.spread_ns = SEC_NS});
    int64_t waited = 0;
    for (int i = 0; i < 10; i++) {
        bytes(ERROR(410, "too old"));
        waited += asked_after();
        bytes(LIST("10", "", ""));
        done(OK, 200, 0, "");
        asked_at_once();
    }
    CHECK(waited > 60 * SEC_NS);
}

TEST(a_watch_that_breaks_is_back_soon)
{
    synced();
    pass(10 * SEC_NS);
    done(ERR_IO, 200, 0, "");
    SAID("ill");
    CHECK(asked_after() <= 200 * MS_NS);
    CHECK_STR(asked(), WATCH_PATH "10");
    bytes(EVENT("MODIFIED", "a", "11"));
    SAID("+a well");
    CHECK_INT(kube_watch_state(watch)->lists, 1);
}

TEST(a_watch_that_breaks_now_and_then_is_back_soon_each_time)
{
    synced();
    for (int i = 0; i < 10; i++) {
        pass(10 * SEC_NS);
        done(ERR_IO, 200, 0, "");
        CHECK(asked_after() <= 200 * MS_NS);
    }
}

TEST(a_connection_that_is_never_made_backs_off)
{
    synced();
    for (int i = 0; i < 10; i++) {
        pass(10 * SEC_NS);
        done(ERR_TIMEOUT, 0, 0, "");
        CHECK(asked_after() > (i < 5 ? 0 : 10 * SEC_NS));
    }
}

TEST(history_that_expires_now_and_then_is_spread_each_time)
{
    synced();
    int64_t waited = 0;
    for (int i = 0; i < 20; i++) {
        pass(10 * SEC_NS);
        bytes(ERROR(410, "too old"));
        waited += asked_after();
        bytes(MARK("10"));
    }
    CHECK(waited > 60 * SEC_NS);
}

TEST(a_server_that_stays_away_is_asked_after_half_the_spread)
{
    struct kube_pace pace = {.spread_ns = 100 * SEC_NS};
    for (int i = 0; i < 4; i++)
        CHECK(kube_pace_wait_ns(&pace, KUBE_TROUBLE_AWAY, 0) <= (i < 3 ? SEC_NS : 100 * SEC_NS));
    for (int i = 0; i < 20; i++) {
        int64_t wait = kube_pace_wait_ns(&pace, KUBE_TROUBLE_AWAY, 0);
        CHECK(wait >= 50 * SEC_NS && wait <= 100 * SEC_NS);
    }
}

TEST(events_between_errors_keep_the_version_good)
{
    synced();
    for (int i = 0; i < 10; i++) {
        bytes(EVENT("MODIFIED", "a", "11") ERROR(500, "x"));
        asked_after();
        CHECK_STR(asked(), WATCH_PATH "11");
    }
}

TEST(a_quiet_watch_is_well_after_a_while)
{
    synced();
    pass(10 * SEC_NS);
    done(ERR_TIMEOUT, 200, 0, "");
    asked_after();
    SAID("ill");
    CHECK_INT(kube_watch_timer_ns(watch), now + 15 * SEC_NS);
    pass(15 * SEC_NS);
    kube_watch_run(watch);
    SAID("well");
    CHECK_INT(kube_watch_timer_ns(watch), DEADLINE_NEVER);
}

TEST(many_that_lost_the_server_come_back_over_the_spread)
{
    unsigned early = 0, requests = 0;
    for (int i = 0; i < AGENTS; i++) {
        synced();
        pass(10 * SEC_NS);
        int64_t lost = now;
        done(ERR_IO, 200, 0, "");
        asked_after();
        while (now - lost < 3 * SEC_NS) { /* away for 3 s */
            done(ERR_IO, 0, 0, "");
            asked_after();
        }
        requests += server.sent;
        early += now - lost < 6 * SEC_NS;
        CHECK(now - lost < 35 * SEC_NS);
        CHECK_STR(asked(), WATCH_PATH "10");
        buf_truncate(&said, 0);
    }
    CHECK(early < AGENTS / 3);
    CHECK(requests < AGENTS * 8);
}

TEST(who_is_refused_by_a_server_that_comes_back_is_spread)
{
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < AGENTS; i++) {
        synced();
        pass(10 * SEC_NS);
        done(ERR_IO, 200, 0, "");
        CHECK(asked_after() <= 200 * MS_NS);
        done(i % 2 ? ERR_DENIED : ERR_AGAIN, i % 2 ? 403 : 429, 0, "");
        int64_t wait = asked_after();
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
        done(ERR_DENIED, 403, 0, "");
        CHECK(asked_after() >= 15 * SEC_NS);
        buf_truncate(&said, 0);
    }
    CHECK(least < 3 * SEC_NS);
    CHECK(most > 27 * SEC_NS && most <= 30 * SEC_NS);
}

TEST(who_starts_without_a_server_tries_a_while_before_it_is_spread)
{
    struct kube_pace pace = {.spread_ns = 100 * SEC_NS};
    CHECK(kube_pace_wait_ns(&pace, KUBE_TROUBLE_AWAY, 0) <= 200 * MS_NS);
    CHECK(kube_pace_wait_ns(&pace, KUBE_TROUBLE_OWN, 0) <= 400 * MS_NS);
    CHECK(kube_pace_wait_ns(&pace, KUBE_TROUBLE_AWAY, 0) <= 800 * MS_NS);
}

TEST(a_server_away_for_an_hour_is_asked_twice_to_four_times_a_minute)
{
    synced();
    pass(10 * SEC_NS);
    int64_t lost = now;
    done(ERR_IO, 200, 0, "");
    while (asked_after(), now - lost < 3600 * SEC_NS)
        done(ERR_IO, 0, 0, "");
    CHECK(server.sent >= 120 && server.sent <= 250);
    SAID("ill ill"); /* cut off, then no connection */
    CHECK_STR(asked(), WATCH_PATH "10");
    done(ERR_INVALID, 410, 0, "");
    CHECK(asked_after() <= 200 * MS_NS); /* who came back was spread already */
    CHECK_STR(asked(), STREAM_PATH);
    bytes(EVENT("ADDED", "b", "3") MARK("10"));
    SAID("RESET +b SYNCED well");
}

TEST(the_server_says_how_long_to_wait)
{
    synced();
    pass(10 * SEC_NS);
    done(ERR_AGAIN, 429, 7 * SEC_NS, "");
    int64_t wait = asked_after();
    CHECK(wait >= 7 * SEC_NS && wait < 8 * SEC_NS);
    CHECK_STR(asked(), WATCH_PATH "10");
    done(ERR_AGAIN, 503, 1, "");
    wait = asked_after();
    CHECK(wait >= 200 * MS_NS && wait <= 400 * MS_NS);
}

TEST(a_watch_that_is_refused_at_its_version_is_listed_again)
{
    synced();
    done(ERR_INVALID, 400, 0, "");
    asked_after();
    CHECK_STR(asked(), STREAM_PATH);
    CHECK_INT(kube_watch_state(watch)->fault.status, ERR_INVALID);
}

TEST(errors_within_a_watch_keep_the_version_for_a_while)
{
    synced();
    for (int i = 0; i < 4; i++) {
        bytes(ERROR(500, "etcd\\nis ill"));
        asked_after();
        CHECK_STR(asked(), WATCH_PATH "10");
    }
    CHECK_STR(kube_watch_state(watch)->fault.text, "/api/v1/pods: error 500: etcd is ill");
    done(ERR_IO, 504, 0, "");
    asked_after();
    CHECK_STR(asked(), STREAM_PATH);
}

TEST(rights_that_are_taken_away_change_nothing_known)
{
    synced();
    pass(10 * SEC_NS);
    done(OK, 200, 0, "");
    asked_at_once();
    for (int i = 0; i < 5; i++) {
        done(ERR_DENIED, 403, 0, "");
        asked_after();
        CHECK_STR(asked(), WATCH_PATH "10");
    }
    SAID("ill");
    CHECK_INT(kube_watch_state(watch)->fault.status, ERR_DENIED);
    CHECK_STR(kube_watch_state(watch)->fault.text, "GET: 403");
    bytes(BOOKMARK("11"));
    SAID("well");
}
