/* SPDX-License-Identifier: Apache-2.0 */
/* entries.c - the tables. */
#include "entries.h"

#include "clock.h"

static const char *failure(size_t i)
{
    return scrape_failure_name((enum scrape_failure)i);
}

static const char *refusal(size_t i)
{
    return page_refusal_name((enum page_refusal)i);
}

static const char *skip(size_t i)
{
    return encoder_skip_name((enum encoder_skip)i);
}

static const char *loss(size_t i)
{
    return lane_loss_name((enum lane_loss)i);
}

static const char *drop(size_t i)
{
    return registry_drop_name((enum registry_drop)i);
}

_Static_assert((int)PAGE_REFUSALS <= (int)BOOKS_REFUSALS, "books have room for every reason");

// clang-format off
#define ENTRY(key_, metric_, kind_, T, field, unit_, help_) \
    {.key = key_, .metric = "strata_" metric_, .help = help_, .kind = ENTRY_##kind_, \
     .offset = offsetof(struct T, field), .unit = unit_}
#define ENTRIES(key_, metric_, kind_, T, field, n, reason_, help_) \
    {.key = key_, .metric = "strata_" metric_, .help = help_, .kind = ENTRY_##kind_, \
     .offset = offsetof(struct T, field), .unit = 1, .reasons = n, .reason = reason_}
#define END {.metric = NULL}

const struct entry agent_entries[] = {
    ENTRY(NULL, "start_time_seconds", I64, view, started_ms, 1000,
          "When the agent started, in seconds since 1970."),
    ENTRY("ready", "ready", BOOL, view, ready, 1, "1 once every source has synced, and from then on."),
    ENTRY("healthy", "healthy", BOOL, view, healthy, 1, "1 while every thread beats."),
    ENTRY(NULL, "config_loaded_timestamp_seconds", I64, view, loaded_ms, 1000,
          "When the configuration in force was loaded, in seconds since 1970."),
    ENTRY("reloads", "config_reloads_total", U64, view, reloads, 1,
          "Reloads that took over a configuration."),
    ENTRY("reloads_failed", "config_reloads_failed_total", U64, view, reloads_failed, 1,
          "Reloads that refused a configuration; the old one stays in force."),
    ENTRY("spool_files_left", "spool_files_left", SIZE, view, left_len, 1,
          "Spools with something in them, of outputs that the configuration does not have."),
    ENTRY("spool_files_left_bytes", "spool_files_left_bytes", U64, view, left_bytes, 1,
          "Bytes of these files."),
    ENTRY(NULL, "memory_bound_bytes", U64, view, memory_bound, 1,
          "What agent.memory says: the bound of strata_memory_used_bytes."),
    ENTRY(NULL, "memory_used_bytes", U64, view, memory_used, 1, "Sum of strata_memory_bytes."),
    ENTRY(NULL, "memory_peak_bytes", U64, view, memory_peak, 1, "The most that this sum has been."),
    ENTRY("allocations", "allocations_total", U64, view, allocations, 1,
          "Allocations of the agent's own code; a steady scrape makes none."),
    ENTRY("regex_limited", "regex_limited_total", U64, view, regex_limited, 1,
          "Matches of regular expressions given up at the limit of steps; such a text does not match."),
    END};

const struct entry jobs_entries[] = {
    ENTRY("due", "jobs_due_total", U64, view, registry.due, 1,
          "Jobs that fell due: one each time a target is to be scraped, and a last one when it goes."),
    ENTRY("handed", "jobs_handed_total", U64, view, registry.handed, 1,
          "Jobs put into a pool's queue."),
    ENTRIES("dropped", "jobs_dropped_total", U64, view, registry.dropped, REGISTRY_DROPS, drop,
            "Jobs that no pool was given, by reason."),
    ENTRY("queued", "jobs_queued", U64, view, registry.queued, 1,
          "Jobs that are due and wait for room in their pool."),
    ENTRY("targets", "targets_known", U64, view, registry.targets, 1, "Targets in the registry."),
    ENTRY("targets_refused", "targets_refused_total", U64, view, registry.targets_refused, 1,
          "Targets for which the registry had no room when they came: they wait, or were dropped."),
    ENTRY("targets_waiting", "targets_waiting", U64, view, registry.targets_waiting, 1,
          "Targets that wait for room in the registry."),
    ENTRY("changes", "target_changes_total", U64, view, registry.changes, 1,
          "Changes of targets taken from sources."),
    ENTRY("clock_steps", "clock_steps_total", U32, view, registry.clock_steps, 1,
          "Backward steps of the wall clock that were seen."),
    END};

const struct entry web_entries[] = {
    ENTRY("requests", "web_requests_total", U64, view, web.requests, 1,
          "Requests to the agent's own pages."),
    ENTRY("errors", "web_errors_total", U64, view, web.errors, 1,
          "Requests to the agent's own pages answered with a status of 400 or above."),
    ENTRY("cut", "web_connections_cut_total", U64, view, web.cut, 1,
          "Connections to the agent's own pages ended because they were too slow."),
    ENTRY("full", "web_full_total", U64, view, web.full, 1,
          "How often the agent's own pages had as many connections as they may."),
    ENTRY("connections", "web_connections", SIZE, view, web.connections, 1,
          "Open connections to the agent's own pages."),
    END};

const struct entry pool_books_entries[] = {
    ENTRY("scraped", "scrapes_total", ATOMIC, pool_books, scraped, 1, "Good scrapes."),
    ENTRIES("failed", "scrapes_failed_total", ATOMIC, pool_books, failed, SCRAPE_FAILURES, failure,
            "Failed scrapes, by reason."),
    ENTRY("stale", "jobs_stale_total", ATOMIC, pool_books, stale, 1,
          "Jobs dropped by a worker because they were older than their interval: in its queue, or "
          "while they waited for memory (`last_failure` of the target is `memory` then)."),
    ENTRY("ended", "jobs_ended_total", ATOMIC, pool_books, ended, 1,
          "Last jobs of targets that are gone: their series were said to have ended."),
    ENTRY("running", "jobs_running", ATOMIC, pool_books, running, 1,
          "Jobs that run now, or wait for memory."),
    ENTRY("waiting_for_memory", "scrapes_waiting", ATOMIC, pool_books, waiting, 1,
          "Scrapes that wait for memory now."),
    ENTRY("waited_for_memory", "scrapes_waited_total", ATOMIC, pool_books, waited, 1,
          "Scrapes that had to wait for memory, or were put off when it ran out."),
    ENTRY("read", "samples_read_total", ATOMIC, pool_books, read, 1, "Samples on good pages."),
    ENTRY("passed", "samples_passed_total", ATOMIC, pool_books, passed, 1,
          "Samples that passed all filters."),
    ENTRIES("refused", "samples_refused_total", ATOMIC, pool_books, refused, PAGE_REFUSALS, refusal,
            "Samples that were not taken, by reason: a limit, or a fault of the page."),
    ENTRY("lines_bad", "lines_bad_total", ATOMIC, pool_books, lines_bad, 1,
          "Lines that could not be read; they are no samples."),
    ENTRY("flaws", "page_flaws_total", ATOMIC, pool_books, flaws, 1,
          "Faults of pages that cost no sample: something is missing, or an exemplar was left out."),
    ENTRY("body_bytes", "scrape_body_bytes_total", ATOMIC, pool_books, bytes, 1,
          "Bytes of pages, decompressed."),
    ENTRY("series", "series", ATOMIC, pool_books, series, 1, "Series that are remembered now."),
    ENTRY("series_bytes", "series_bytes", ATOMIC, pool_books, series_bytes, 1,
          "Bytes of the series that are remembered now."),
    ENTRY("wait_seconds", "jobs_wait_seconds_total", ATOMIC, pool_books, wait_ns_sum, SEC_NS,
          "Seconds that jobs waited in the pool's queue, all together."),
    END};

const struct entry pool_entries[] = {
    ENTRY("queued", "pool_jobs_queued", SIZE, view_pool, state.queued, 1,
          "Jobs in the pool's queue."),
    ENTRY("queue_room", "pool_queue_jobs_limit", SIZE, view_pool, state.queue_cap, 1,
          "Jobs that the pool's queue takes."),
    ENTRY("queue_refused", "pool_queue_refused_total", U64, view_pool, state.queue_refused, 1,
          "How often the pool's queue had no room; such a job waits and is tried again."),
    ENTRY("workers", "pool_workers", SIZE, view_pool, state.workers, 1, "Threads that scrape."),
    ENTRY("connections", "pool_connections", SIZE, view_pool, state.connections, 1,
          "Open connections to targets."),
    ENTRY("buffered_body_bytes", "pool_body_bytes", SIZE, view_pool, state.body_bytes, 1,
          "Bytes of buffers for pages, in use and kept for reuse."),
    END};

const struct entry lane_books_entries[] = {
    ENTRY("passed", "lane_records_passed_total", ATOMIC, lane_books, passed, 1,
          "Samples that came from the filters."),
    ENTRY("meta", "lane_records_meta_total", ATOMIC, lane_books, meta, 1,
          "Samples of meta series (up, scrape_duration_seconds, ...)."),
    ENTRY("ended", "lane_records_ended_total", ATOMIC, lane_books, ended, 1,
          "Records that a series has ended."),
    ENTRY("encoded", "lane_records_encoded_total", ATOMIC, lane_books, encoded, 1,
          "Records written into payloads."),
    ENTRIES("skipped", "lane_records_skipped_total", ATOMIC, lane_books, skipped, ENCODER_SKIPS, skip,
            "Records that no payload could take, by reason."),
    ENTRY("restored", "lane_records_restored_total", ATOMIC, lane_books, restored, 1,
          "Records found on disk at start."),
    ENTRY("delivered", "lane_records_delivered_total", ATOMIC, lane_books, delivered, 1,
          "Records that the peer has acknowledged; for core NATS, statsd, files and stdout: written."),
    ENTRIES("lost", "lane_records_lost_total", ATOMIC, lane_books, lost, LANE_LOSSES, loss,
            "Records that were encoded and will never arrive, by reason."),
    ENTRY("in_memory", "lane_records_in_memory", ATOMIC, lane_books, in_memory, 1,
          "Records on their way: buffered, held back or in flight; without those on disk."),
    ENTRY("in_spool", "lane_records_in_spool", ATOMIC, lane_books, in_spool, 1,
          "Records on disk, whether memory has them as well or not."),
    ENTRY("left", "lane_records_left_total", ATOMIC, lane_books, left, 1,
          "Records on disk when the output stopped; the next one with that file finds them: restored."),
    ENTRY("maybe_twice", "lane_records_maybe_twice_total", ATOMIC, lane_books, maybe_twice, 1,
          "Records sent again after the peer has forgotten their id."),
    ENTRY("payloads_sent", "lane_payloads_sent_total", ATOMIC, lane_books, payloads_sent, 1,
          "Payloads handed to the sink, those sent again included."),
    ENTRY("payloads_delivered", "lane_payloads_delivered_total", ATOMIC, lane_books,
          payloads_delivered, 1, "Payloads delivered."),
    ENTRY("bytes_delivered", "lane_delivered_bytes_total", ATOMIC, lane_books, bytes_delivered, 1,
          "Bytes of the payloads delivered, before a sink compresses them."),
    ENTRY("retries", "lane_retries_total", ATOMIC, lane_books, retries, 1,
          "Payloads that were tried again."),
    ENTRY("splits", "lane_splits_total", ATOMIC, lane_books, splits, 1,
          "Payloads that were cut because the peer takes no larger ones."),
    ENTRY("delay_seconds", "lane_delay_seconds_total", ATOMIC, lane_books, delay_ms_sum, 1000,
          "Seconds from the due time to the delivery of each payload, all together."),
    END};

const struct entry lane_entries[] = {
    ENTRY("buffer_bytes", "lane_buffer_bytes", SIZE, view_lane, state.buffer.bytes, 1,
          "Bytes in the lane's buffer."),
    ENTRY("buffer_bytes_limit", "lane_buffer_limit_bytes", SIZE, view_lane, state.buffer.cap_bytes, 1,
          "Bytes that the lane's buffer takes."),
    ENTRY("buffer_payloads", "lane_buffer_payloads", SIZE, view_lane, state.buffer.len, 1,
          "Payloads in the lane's buffer."),
    ENTRY("buffer_payloads_limit", "lane_buffer_payloads_limit", SIZE, view_lane, state.buffer.cap, 1,
          "Payloads that the lane's buffer takes."),
    ENTRY("held", "lane_held_payloads", SIZE, view_lane, state.held, 1,
          "Payloads out of the buffer that wait: for their order, or to be tried again."),
    ENTRY("held_bytes", "lane_held_bytes", SIZE, view_lane, state.held_bytes, 1,
          "Bytes of the payloads out of the buffer."),
    ENTRY("in_flight", "lane_in_flight_payloads", SIZE, view_lane, state.in_flight, 1,
          "Payloads handed to the sink and not yet ended."),
    ENTRY("pooled_bytes", "lane_pooled_bytes", SIZE, view_lane, state.pooled_bytes, 1,
          "Bytes of empty payloads kept for reuse."),
    ENTRY("payload_limit_bytes", "lane_payload_limit_bytes", SIZE, view_lane, state.max_payload, 1,
          "Bytes of a payload that the peer takes."),
    ENTRY("connected", "lane_connected", BOOL, view_lane, connected, 1,
          "1 while there is a connection to the peer."),
    ENTRY("duplicates", "lane_duplicates_total", U64, view_lane, duplicates, 1,
          "Messages that the peer had already when they were first sent."),
    ENTRY("connects", "lane_connects_total", U64, view_lane, connects, 1,
          "Connections made to the peer."),
    ENTRY("resends", "lane_resends_total", U64, view_lane, resends, 1,
          "Requests that the sink's client library sent again by itself, where it tells."),
    ENTRY(NULL, "lane_round_trip_seconds", I64, view_lane, round_trip_ns, 1000000000,
          "How long requests to the peer took a moment ago, where the client library tells."),
    ENTRY("failing", "lane_failing", BOOL, view_lane, state.failing, 1,
          "1 while the last thing the sink said is a failure."),
    ENTRY(NULL, "lane_delivered_timestamp_seconds", I64, view_lane, state.last_delivered_ms, 1000,
          "When a payload was last delivered, in seconds since 1970; 0: never."),
    END};

const struct entry spool_entries[] = {
    ENTRY("works", "lane_spool_works", BOOL, view_lane, state.spool.works, 1,
          "1 while the lane's spool can be used; else what comes stays in memory."),
    ENTRY("payloads", "lane_spool_payloads", I64, view_lane, state.spool.rows, 1,
          "Payloads on disk."),
    ENTRY("unread", "lane_spool_unread_payloads", I64, view_lane, state.spool.unread, 1,
          "Payloads on disk that are not in memory."),
    ENTRY("stored_bytes", "lane_spool_stored_bytes", I64, view_lane, state.spool.stored_bytes, 1,
          "Bytes that the bodies of these payloads take on disk."),
    ENTRY("file_bytes", "lane_spool_file_bytes", I64, view_lane, state.spool.file_bytes, 1,
          "Bytes of the spool's database."),
    ENTRY("log_bytes", "lane_spool_log_bytes", I64, view_lane, state.spool.log_bytes, 1,
          "Bytes of the spool's log."),
    ENTRY("limit_bytes", "lane_spool_limit_bytes", I64, view_lane, state.spool.limit_bytes, 1,
          "Bytes that database and log may have together."),
    ENTRY(NULL, "lane_spool_oldest_timestamp_seconds", I64, view_lane, state.spool.oldest_ms, 1000,
          "Due time of the first payload on disk, in seconds since 1970; 0: there is none."),
    ENTRY("waits_seconds", "lane_spool_wait_seconds", I64, view_lane, state.spool.waits_ns, 1000000000,
          "For how long the lane has waited for the disk by now."),
    END};

const struct entry source_entries[] = {
    ENTRY("targets", "source_targets", SIZE, source_state, targets, 1, "Targets of the source."),
    ENTRY("refused", "source_targets_refused", SIZE, source_state, refused, 1,
          "Targets that the source has found and not taken."),
    ENTRY("synced", "source_synced", BOOL, source_state, synced, 1,
          "1 once the source's first list is complete."),
    ENTRY(NULL, "source_failing", FAILED, source_state, last_error, 1,
          "1 while the last thing the source said is a failure."),
    END};

const struct entry discovery_entries[] = {
    ENTRY("collections", "discovery_collections", U64, source_state, watching.collections, 1,
          "Collections of objects that the source follows."),
    ENTRY("synced", "discovery_collections_synced", U64, source_state, watching.synced, 1,
          "Of those, whose first list is complete."),
    ENTRY("watching", "discovery_watches_open", U64, source_state, watching.watching, 1,
          "Watches that are open now."),
    ENTRY("lists", "discovery_lists_total", U64, source_state, watching.lists, 1,
          "Lists begun, streaming ones included."),
    ENTRY("watches", "discovery_watches_total", U64, source_state, watching.watches, 1,
          "Watches begun."),
    ENTRY("events", "discovery_events_total", U64, source_state, watching.events, 1,
          "Changes of objects that watches told."),
    ENTRY("bookmarks", "discovery_bookmarks_total", U64, source_state, watching.bookmarks, 1,
          "Bookmarks that watches told."),
    ENTRY("expired", "discovery_expired_total", U64, source_state, watching.expired, 1,
          "How often the server's history did not reach back (410), so that a new list was needed."),
    ENTRY("left_out", "discovery_objects_left_out_total", U64, source_state, watching.left_out, 1,
          "Objects left out because they are too large, or cannot be read."),
    ENTRY("objects", "discovery_objects", U64, source_state, watching.objects, 1,
          "Objects that are kept."),
    ENTRY("object_bytes", "discovery_object_bytes", U64, source_state, watching.object_bytes, 1,
          "Bytes of the objects that are kept; those that several sources share are split among them."),
    ENTRY("requests", "discovery_requests_total", U64, source_state, watching.requests, 1,
          "Requests to the API server."),
    ENTRY("requests_failed", "discovery_requests_failed_total", U64, source_state,
          watching.requests_failed, 1, "Requests to the API server that failed."),
    ENTRY("received_bytes", "discovery_received_bytes_total", U64, source_state,
          watching.received_bytes, 1, "Bytes that the API server has sent."),
    END};
// clang-format on

static uint64_t not_below_zero(int64_t n)
{
    return n > 0 ? (uint64_t)n : 0;
}

uint64_t entry_value(const struct entry *e, const void *of, size_t i)
{
    const void *at = (const char *)of + e->offset;
    switch (e->kind) {
    case ENTRY_ATOMIC: return ((const _Atomic uint64_t *)at)[i];
    case ENTRY_U64: return ((const uint64_t *)at)[i];
    case ENTRY_I64: return not_below_zero(*(const int64_t *)at);
    case ENTRY_U32: return *(const uint32_t *)at;
    case ENTRY_SIZE: return *(const size_t *)at;
    case ENTRY_BOOL: return *(const bool *)at;
    case ENTRY_FAILED: return ((const struct err *)at)->status != OK;
    }
    return 0;
}
