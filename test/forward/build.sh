#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh - the server of the Forward protocol (server.js) into build/tools/forward, with npm.
#
# Why this one: Debian 12 has neither Fluentd nor Fluent Bit, and OpenTelemetry's receiver knows no
# shared key and acknowledges before it has kept anything.  This is by the people of Fluentd and
# two packages.
exec "$(dirname "$0")/../../scripts/npm.sh" test/forward forward
