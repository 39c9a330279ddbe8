/* SPDX-License-Identifier: Apache-2.0 */
/* test_kube_watch.c - what is asked of the API server, and what is made of the answers. */
#include "kube_watch_test.h"

TEST(a_streaming_list_goes_over_into_a_watch)
{
    start((struct kube_watch_conf){0});
    CHECK_STR(server.request.method, "GET");
    CHECK_STR(asked(), STREAM_PATH);
    bytes(EVENT("ADDED", "a", "3"));
    bytes(EVENT("ADDED", "b", "9"));
    SAID("RESET +a +b");
    CHECK(!kube_watch_state(watch)->synced && !kube_watch_state(watch)->watching);
    bytes(MARK("10"));
    SAID("SYNCED");
    bytes(EVENT("MODIFIED", "a", "11") EVENT("DELETED", "b", "12") EVENT("ADDED", "c", "13"));
    SAID("+a -b +c");
    const struct kube_watch_state *state = kube_watch_state(watch);
    CHECK(state->synced && state->watching && state->streaming);
    CHECK_INT(state->lists, 1);
    CHECK_INT(state->watches, 0);
    CHECK_INT(state->events, 5);
    CHECK_INT(state->bookmarks, 1);
    CHECK_INT(state->heard_ns, now);
    CHECK_INT(server.sent, 1);
}

TEST(an_empty_streaming_list_is_a_list)
{
    start((struct kube_watch_conf){0});
    bytes(MARK("10"));
    SAID("RESET SYNCED");
}

TEST(lines_come_in_any_pieces)
{
    start((struct kube_watch_conf){0});
    const char *all = EVENT("ADDED", "a", "3") MARK("10") EVENT("DELETED", "a", "11");
    for (const char *c = all; *c; c++)
        bytes((char[]){*c, '\0'});
    SAID("RESET +a SYNCED -a");
}

TEST(changes_before_the_mark_count)
{
    start((struct kube_watch_conf){0});
    bytes(EVENT("ADDED", "a", "3") EVENT("DELETED", "a", "4") EVENT("MODIFIED", "b", "5")
              MARK("10"));
    SAID("RESET +a -a +b SYNCED");
}

TEST(a_watch_that_ends_goes_on_at_once_from_the_last_version)
{
    synced();
    bytes(EVENT("MODIFIED", "a", "11"));
    pass(300 * SEC_NS);
    done(OK, 200, 0, "");
    asked_at_once();
    CHECK_STR(asked(), WATCH_PATH "11");
    bytes(BOOKMARK("20"));
    pass(300 * SEC_NS);
    done(OK, 200, 0, "");
    asked_at_once();
    CHECK_STR(asked(), WATCH_PATH "20");
    SAID("+a");
    CHECK_INT(kube_watch_state(watch)->watches, 2);
    CHECK_INT(kube_watch_state(watch)->lists, 1);
}

TEST(versions_are_no_numbers)
{
    synced();
    bytes(EVENT("MODIFIED", "a", "zz/ 9&x") EVENT("MODIFIED", "b", "5"));
    bytes(EVENT("MODIFIED", "c", "a&b/1 +"));
    pass(300 * SEC_NS);
    done(OK, 200, 0, "");
    asked_at_once();
    CHECK_STR(asked(), WATCH_PATH "a%26b%2F1%20%2B");
    SAID("+a +b +c");
}

TEST(a_name_that_comes_back_is_told_as_it_came)
{
    synced();
    bytes("{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\",\"uid\":\"1\"}}}\n"
          "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\",\"uid\":\"2\"}}}\n");
    SAID("-a1 +a2");
}

TEST(a_server_that_refuses_streaming_lists_is_not_asked_again)
{
    static const struct {
        int code;
        const char *event;
    } refusals[] = {
        {400, NULL},
        {422, NULL},
        {200, ERROR(500, "RequestWatchProgress is disabled")},
        {200, ERROR(400, "x")},
        {200, BOOKMARK("7")},
    };
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        start((struct kube_watch_conf){0});
        if (refusals[i].event)
            bytes(refusals[i].event);
        else
            done(ERR_INVALID, refusals[i].code, 0, "");
        asked_at_once();
        CHECK_STR(asked(), "/api/v1/pods?limit=500");
        CHECK(!kube_watch_state(watch)->streaming);
        bytes(LIST("10", "", ITEM("a") "," ITEM("b")));
        done(OK, 200, 0, "");
        SAID("RESET +a +b SYNCED");
        asked_at_once();
        CHECK_STR(asked(), WATCH_PATH "10");
        bytes(ERROR(410, "too old"));
        asked_after();
        CHECK_STR(asked(), "/api/v1/pods?limit=500");
        SAID("");
    }
}

TEST(a_streaming_list_that_breaks_is_begun_anew)
{
    start((struct kube_watch_conf){0});
    bytes(EVENT("ADDED", "a", "3"));
    done(ERR_IO, 200, 0, "");
    SAID("RESET +a ill");
    asked_after();
    CHECK_STR(asked(), STREAM_PATH);
    bytes(EVENT("ADDED", "a", "3") MARK("10"));
    SAID("RESET +a SYNCED well");
}

TEST(where_streaming_lists_fail_the_next_list_is_a_plain_one)
{
    static const struct {
        enum status status;
        int code;
    } ends[] = {{ERR_IO, 200}, {OK, 200}, {ERR_IO, 500}, {ERR_TIMEOUT, 0}};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        start((struct kube_watch_conf){0});
        for (int k = 0; k < 3; k++) {
            CHECK_STR(asked(), STREAM_PATH);
            done(ends[i].status, ends[i].code, 0, "");
            asked_after();
        }
        CHECK_STR(asked(), "/api/v1/pods?limit=500");
        CHECK(kube_watch_state(watch)->streaming);
        bytes(LIST("10", "", ""));
        done(OK, 200, 0, "");
        SAID("ill RESET SYNCED");
        asked_at_once();
        bytes(ERROR(410, "too old"));
        asked_after();
        CHECK_STR(asked(), STREAM_PATH);
    }
}

TEST(a_streaming_list_that_stops_before_its_mark_is_given_up)
{
    start((struct kube_watch_conf){0});
    pass(20 * SEC_NS);
    kube_watch_run(watch);
    bytes(EVENT("ADDED", "a", "3"));
    CHECK_INT(kube_watch_timer_ns(watch), now + 30 * SEC_NS);
    pass(30 * SEC_NS - 1);
    kube_watch_run(watch);
    CHECK_INT(server.cancelled, 0);
    pass(1);
    kube_watch_run(watch);
    CHECK_INT(server.cancelled, 1);
    SAID("RESET +a ill");
    asked_after();
    bytes(MARK("3"));
    SAID("RESET SYNCED well");
    CHECK_INT(kube_watch_timer_ns(watch), DEADLINE_NEVER);
}

TEST(with_a_node_a_list_has_no_limit)
{
    start((struct kube_watch_conf){.by_node = true,
                                   .field_selector = "spec.nodeName=n1,status.phase!=Failed",
                                   .label_selector = "app in (a,b)"});
    const char *selectors = "&fieldSelector=spec.nodeName%3Dn1%2Cstatus.phase%21%3DFailed"
                            "&labelSelector=app%20in%20%28a%2Cb%29";
    char want[1000];
    snprintf(want, sizeof want, STREAM_PATH "%s", selectors);
    CHECK_STR(asked(), want);
    done(ERR_INVALID, 400, 0, "");
    asked_at_once();
    snprintf(want, sizeof want, "/api/v1/pods?resourceVersion=0%s", selectors);
    CHECK_STR(asked(), want);
    bytes(LIST("10", "", ITEM("a")));
    done(OK, 200, 0, "");
    asked_at_once();
    snprintf(want, sizeof want, WATCH_PATH "10%s", selectors);
    CHECK_STR(asked(), want);
    SAID("RESET +a SYNCED");
}

TEST(pages_are_followed_by_their_tokens)
{
    start((struct kube_watch_conf){.path = "/api/v1/namespaces/x/services"});
    done(ERR_INVALID, 400, 0, "");
    asked_at_once();
    CHECK_STR(asked(), "/api/v1/namespaces/x/services?limit=500");
    bytes(LIST("10", "t/1+", ITEM("a")));
    done(OK, 200, 0, "");
    asked_at_once();
    CHECK_STR(asked(), "/api/v1/namespaces/x/services?limit=500&continue=t%2F1%2B");
    bytes(LIST("10", "t2", ITEM("b")));
    done(OK, 200, 0, "");
    asked_at_once();
    bytes(LIST("10", "", ITEM("c")));
    SAID("RESET +a +b +c");
    done(OK, 200, 0, "");
    SAID("SYNCED");
    asked_at_once();
    CHECK_INT(kube_watch_state(watch)->lists, 2); /* with the one that was refused */
}

/* At the second page of a list that began at version 10. */
static void at_second_page(void)
{
    start((struct kube_watch_conf){0});
    done(ERR_INVALID, 400, 0, "");
    asked_at_once();
    bytes(LIST("10", "t1", ITEM("a")));
    done(OK, 200, 0, "");
    asked_at_once();
    SAID("RESET +a");
}

#define GONE_WITH(token) \
    "{\"kind\":\"Status\",\"code\":410,\"metadata\":{\"continue\":\"" token "\"}}"

TEST(an_expired_page_goes_on_with_the_token_that_came)
{
    at_second_page();
    done(ERR_INVALID, 410, 0, GONE_WITH("t9"));
    asked_at_once();
    CHECK_STR(asked(), "/api/v1/pods?limit=500&continue=t9");
    bytes(LIST("90", "", ITEM("b")));
    done(OK, 200, 0, "");
    SAID("+b SYNCED");
    CHECK_INT(kube_watch_state(watch)->expired, 1);
    asked_at_once();
    CHECK_STR(asked(), WATCH_PATH "10"); /* what changed of the first page has come since */
    done(ERR_INVALID, 410, 0, "");
    asked_after();
    CHECK_STR(asked(), "/api/v1/pods?resourceVersion=0");
}

TEST(an_expired_page_without_a_token_starts_anew)
{
    static const char *const bodies[] = {"", "{\"code\":410,\"metadata\":{}}", "<html>",
                                         GONE_WITH("t1")};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        at_second_page();
        done(ERR_INVALID, 410, 0, bodies[i]);
        CHECK(asked_after() <= 200 * MS_NS); /* nobody else sees this now */
        CHECK_STR(asked(), "/api/v1/pods?limit=500");
        bytes(LIST("20", "", ITEM("b")));
        done(OK, 200, 0, "");
        SAID("RESET +b SYNCED");
    }
}

TEST(pages_are_asked_for_again_where_the_watch_went_on_from_the_first)
{
    at_second_page();
    done(ERR_INVALID, 410, 0, GONE_WITH("t9"));
    asked_at_once();
    bytes(LIST("90", "", ITEM("b")));
    done(OK, 200, 0, "");
    asked_at_once();
    bytes(EVENT("MODIFIED", "a", "91") ERROR(410, "too old"));
    asked_after();
    CHECK_STR(asked(), "/api/v1/pods?limit=500");
}

TEST(a_token_without_a_limit_is_followed_without_one)
{
    start((struct kube_watch_conf){.by_node = true});
    done(ERR_INVALID, 400, 0, "");
    asked_at_once();
    bytes(LIST("10", "t1", ITEM("a")));
    done(OK, 200, 0, "");
    asked_at_once();
    CHECK_STR(asked(), "/api/v1/pods?continue=t1");
}

TEST(a_mark_without_a_version_is_none)
{
    start((struct kube_watch_conf){0});
    bytes(MARK(""));
    asked_at_once();
    CHECK_STR(asked(), "/api/v1/pods?limit=500");
    SAID("");
}

TEST(a_page_that_fails_is_asked_for_again)
{
    at_second_page();
    bytes("{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[" ITEM("b") ",");
    done(ERR_IO, 200, 0, "");
    asked_after();
    CHECK_STR(asked(), "/api/v1/pods?limit=500&continue=t1");
    bytes(LIST("10", "", ITEM("b") "," ITEM("c")));
    done(OK, 200, 0, "");
    SAID("+b ill +b +c SYNCED");
}

TEST(what_is_no_list_ends_no_list)
{
    static const char *const bodies[] = {"{}", "<html>",          LIST("", "", ""),
                                         "",   "{\"metadata\":{", LIST("10", "t1", "")};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        at_second_page();
        bytes(bodies[i]);
        if (server.call.open)
            done(OK, 200, 0, "");
        SAID("ill");
        CHECK(!kube_watch_state(watch)->synced);
        CHECK(strncmp(kube_watch_state(watch)->fault.text, "/api/v1/pods: ", 14) == 0);
        CHECK(asked_after() > 0);
    }
}

TEST(bad_lines_cost_themselves)
{
    synced();
    bytes("not JSON\n{\"type\":\"ADDED\"}\n[]\n{\"type\":\"ADDED\",\"object\":{}} {}\n"
          "{\"type\":\"WHAT\",\"object\":{}}\n" EVENT("ADDED", "c", "13"));
    SAID("+c");
    CHECK_INT(kube_watch_state(watch)->bad, 5);
    pass(10 * SEC_NS);
    done(OK, 200, 0, "");
    asked_at_once();
    CHECK_STR(asked(), WATCH_PATH "13");
}

TEST(items_that_are_no_json_cost_themselves)
{
    start((struct kube_watch_conf){0});
    done(ERR_INVALID, 400, 0, "");
    asked_at_once();
    bytes(LIST("10", "", ITEM("a") ",{nothing}," ITEM("b")));
    done(OK, 200, 0, "");
    SAID("RESET +a +b SYNCED");
    CHECK_INT(kube_watch_state(watch)->bad, 1);
}

TEST(lines_that_are_too_large_are_counted_and_left_out)
{
    synced();
    AUTO(buf) struct buf b = BUF_INIT(5 << 20);
    CHECK_INT(buf_puts(&b, "{\"type\":\"ADDED\",\"object\":{\"x\":\""), OK);
    size_t n = 4200000;
    char *room = buf_room(&b, n);
    CHECK(room);
    memset(room, 'x', n);
    buf_used(&b, n);
    CHECK_INT(buf_puts(&b, "\"}}\n" EVENT("ADDED", "c", "13")), OK);
    bytes(b.data);
    SAID("+c");
    CHECK_INT(kube_watch_state(watch)->oversize, 1);
    bytes(EVENT("ADDED", "d", "14"));
    CHECK_INT(kube_watch_state(watch)->oversize, 1);
    SAID("+d");
    pass(10 * SEC_NS);
    done(OK, 200, 0, "");
    asked_at_once();
    bytes(EVENT("ADDED", "e", "15"));
    CHECK_INT(kube_watch_state(watch)->oversize, 1);
}

TEST(a_watch_cut_within_a_line_goes_on_from_the_last_whole_one)
{
    synced();
    pass(10 * SEC_NS);
    bytes(EVENT("ADDED", "c", "13") "{\"type\":\"ADDED\",");
    done(OK, 200, 0, "");
    asked_after();
    CHECK_STR(asked(), WATCH_PATH "13");
    SAID("+c ill");
}

TEST(requests_have_an_end)
{
    synced_by_list((struct kube_watch_conf){.quiet_ns = 50 * SEC_NS});
    CHECK_INT(server.request.quiet_ns, 50 * SEC_NS);
    CHECK(server.request.timeout_ns >= 350 * SEC_NS && server.request.timeout_ns <= 650 * SEC_NS);
    synced();
    CHECK_INT(server.request.quiet_ns, 90 * SEC_NS);
}

TEST(a_watch_that_is_freed_cancels_its_call)
{
    synced();
    kube_watch_free(watch);
    watch = NULL;
    CHECK_INT(server.cancelled, 1);
    CHECK(!server.call.open);
    kube_watch_free(NULL);
    buf_done(&said);
    clock_release();
}
