#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh - statsd_exporter, a statsd server that shows what it got, into build/tools/statsd.
#
# The first time it takes about a minute of CPU time.
exec "$(dirname "$0")/../../scripts/go_build.sh" test/statsd statsd/statsd_exporter \
    github.com/prometheus/statsd_exporter -ldflags "-s -w"
