#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh - the server of the Forward protocol (server.js) into build/tools/forward, with npm.
#
# Why this one: Debian 12 has neither Fluentd nor Fluent Bit, and OpenTelemetry's receiver knows no
# shared key and acknowledges before it has kept anything.  This is by the people of Fluentd and
# two packages.  Nothing is done while the stamp there is that of these sources.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
out=$root/build/tools/forward

mkdir -p "$root/build/tools"
exec 9>"$root/build/tools/forward.lock"
flock 9 # one at a time; the second finds it done
stamp=$(cat package.json package-lock.json | sha256sum)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
command -v node >/dev/null && command -v npm >/dev/null || "$root/scripts/need.sh" node
rm -rf "$out"
mkdir -p "$out"
cp package.json package-lock.json "$out"
(cd "$out" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error)
echo "$stamp" >"$out/stamp"
