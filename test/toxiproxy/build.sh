#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh - toxiproxy, a proxy that delays, cuts and stalls connections, into build/tools/toxiproxy.
#
# Nothing is done while the stamp there is that of these sources.  The first time it takes about
# twenty seconds of CPU time.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
out=$root/build/tools/toxiproxy

mkdir -p "$root/build/tools"
exec 8>"$root/build/tools/toxiproxy.lock"
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
echo "building toxiproxy"
"$go" build -trimpath -ldflags "-s -w" -o "$out/toxiproxy" github.com/Shopify/toxiproxy/v2/cmd/server
echo "$stamp" >"$out/stamp"
