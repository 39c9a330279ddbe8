#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh - toxiproxy, a proxy that delays, cuts and stalls connections, into build/tools/toxiproxy.
#
# The first time it takes about twenty seconds of CPU time.
exec "$(dirname "$0")/../../scripts/go_build.sh" test/toxiproxy toxiproxy/toxiproxy \
    github.com/Shopify/toxiproxy/v2/cmd/server -ldflags "-s -w"
