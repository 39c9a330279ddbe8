#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# go_build.sh FOLDER PROGRAM PACKAGE [FLAG...] - PACKAGE, of the Go modules that FOLDER/go.mod pins, into
# build/tools/PROGRAM; FLAG: for `go build`.
#
# Nothing is done while the stamp beside the program is that of these sources and arguments.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD from=$1 out=$PWD/build/tools/$2 package=$3
shift 3

mkdir -p "$(dirname "$out")"
exec 8>"$out.lock"
flock 8 # one at a time; the second finds it done
stamp=$({ find "$from" -maxdepth 1 -type f -exec cat {} + && echo "$package" "$@"; } | sha256sum)
if [ -x "$out" ] && [ "$(cat "$out.stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
go=$(scripts/go.sh)
export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS="-mod=readonly -buildvcs=false"
export GOPATH=${GOPATH:-${HOME:-$root/build/tools}/go} # go wants a home, which not everyone has
export GOCACHE=${GOCACHE:-${HOME:-$root/build/tools}/.cache/go-build}
echo "building $(basename "$out")"
rm -f "$out"
(cd "$from" && "$go" build -trimpath "$@" -o "$out" "$package")
echo "$stamp" >"$out.stamp"
