#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# etsy.sh - statsd itself, the one by Etsy, into build/tools/etsy, with npm.
exec "$(dirname "$0")/../../scripts/npm.sh" test/statsd etsy
