/* SPDX-License-Identifier: Apache-2.0 */
#include "tables.h"

#include "clock.h"
#include "config.h"

static const char *const first_scrapes[] = {[FIRST_SPREAD] = "spread", [FIRST_NOW] = "now", NULL};

static const struct setting log_settings[] = {
    SETTING_CHOICE(log_conf, level, "info", log_levels, "what is logged: this and what is worse"),
    SETTING_CHOICE(log_conf, format, "logfmt", log_formats, "how a line is written"), SETTING_END};

const struct setting agent_settings[] = {
    SETTING_STRING(agent_conf, listen, "127.0.0.1:9690", 0,
                   "address of health, metrics and status: HOST:PORT; empty: none"),
    SETTING_STRING(agent_conf, cluster, "", 0,
                   "name of the cluster: a label of every series, and part of every message's id"),
    SETTING_STRING(agent_conf, instance, "", 0,
                   "name of this agent; empty: $NODE_NAME, else the host's name"),
    SETTING_BYTES(
        agent_conf, memory, "256MiB", 16 << 20, INT64_C(1) << 40,
        "the most that pages, bodies, buffers and client libraries take together; near it new "
        "series are refused, then large scrapes wait, then the oldest messages go to the "
        "spool or are lost"),
    SETTING_DURATION(agent_conf, grace, "20s", 0, 3600 * SEC_NS,
                     "how long a stop waits for what is under way"),
    SETTING_CHOICE(agent_conf, first_scrape, "spread", first_scrapes,
                   "spread: a new target waits for its place in the interval; now: it does not"),
    SETTING_MAP(agent_conf, labels, 0, "added to every series"),
    SETTING_BOOL(
        agent_conf, sandbox, "true",
        "system calls that an agent has no use for are refused, once it runs (seccomp); read "
        "at start only"),
    SETTING_BOOL(agent_conf, core_dumps, "false",
                 "whether its memory, which holds secrets, may go into a core file; read at start "
                 "only"),
    SETTING_GROUP(
        agent_conf, web, http_server_settings,
        "who may read what is served at listen; all may ask /healthz and /readyz; read at "
        "start only"),
    SETTING_GROUP(agent_conf, log, log_settings, "what is written to standard error"),
    SETTING_END};

const struct setting output_settings[] = {
    SETTING_STRING(output_read, name, "", 0, "name within the pool; empty: ENCODER-SINK"),
    SETTING_STRING(output_read, sink, NULL, SETTING_REQUIRED, "name of an entry under sinks"),
    SETTING_BYTES(output_read, max_message, "0", 0, 1 << 30,
                  "size of a message; 0: 512KiB, or what the sink takes if that is less"),
    SETTING_INT(output_read, max_samples, "1000000", 1, 1000000, "samples in a message"),
    SETTING_BOOL(output_read, replicas, "false",
                 "whether agents that scrape the same make messages of the same id"),
    SETTING_END};

static const char *const spool_modes[] = {
    [LANE_OVERFLOW] = "overflow", [LANE_ALWAYS] = "always", NULL};
static const char *const synchronous[] = {[SPOOL_NORMAL] = "normal", [SPOOL_FULL] = "full", NULL};

const struct setting spool_settings[] = {
    SETTING_STRING(sink_spool, path, "", 0,
                   "folder for the queue on disk of each output, POOL.OUTPUT.db; empty: none"),
    SETTING_BYTES(sink_spool, size, "1GiB", SPOOL_SIZE_MIN, INT64_C(1) << 40,
                  "the most that each file and its log may have; at least 16 of the largest "
                  "messages; when it is full the oldest go"),
    SETTING_CHOICE(sink_spool, mode, "overflow", spool_modes,
                   "overflow: what the buffer has no room for, and what is left at a stop; always: "
                   "every message goes there first"),
    SETTING_DURATION(sink_spool, max_age, "0s", 0, INT64_C(8760) * 3600 * SEC_NS,
                     "what is older is not sent any more; 0: nothing is too old"),
    SETTING_CHOICE(sink_spool, synchronous, "normal", synchronous,
                   "normal: a loss of power may take the last seconds; full: nothing that was "
                   "committed, at the price of a wait for the disk"),
    SETTING_BOOL(sink_spool, fresh_first, "false",
                 "whether new messages are sent at once while there are older ones on disk: these "
                 "come behind newer ones of the same target then"),
    SETTING_BYTES(sink_spool, backlog_rate, "1MiB", 0, INT64_C(1) << 40,
                  "with fresh_first, how much is read from disk a second; 0: as much as goes"),
    SETTING_END};

const struct setting sink_settings[] = {
    SETTING_STRING(sink_read, name, NULL, SETTING_REQUIRED, "what outputs call the sink"),
    SETTING_BYTES(sink_read, buffer, "32MiB", 1 << 10, INT64_C(16) << 30,
                  "what each output keeps in memory until it is delivered; less than three of its "
                  "largest messages counts as three (with a spool as five)"),
    SETTING_GROUP(sink_read, spool, spool_settings, "what keeps messages on disk"), SETTING_END};
