#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh - statsd_exporter, a statsd server that shows what it got, into build/tools/statsd.
#
# Nothing is done while the stamp there is that of these sources.  The first time it takes about a
# minute of CPU time.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
out=$root/build/tools/statsd

mkdir -p "$root/build/tools"
exec 8>"$root/build/tools/statsd.lock"
flock 8 # one at a time; the second finds it done
stamp=$(cat go.mod go.sum | sha256sum)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
go=$("$root/scripts/go.sh")
export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS="-mod=readonly -buildvcs=false"
export GOPATH=${GOPATH:-${HOME:-$root/build/tools}/go} # go wants a home, which not everyone has
export GOCACHE=${GOCACHE:-${HOME:-$root/build/tools}/.cache/go-build}
rm -rf "$out"
mkdir -p "$out"
echo "building statsd_exporter"
"$go" build -trimpath -ldflags "-s -w" -o "$out/statsd_exporter" github.com/prometheus/statsd_exporter
echo "$stamp" >"$out/stamp"
