#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh - what the consumers of docs/CONSUMERS.md need, into build/tools/consumers: a Python with
# the packages of docs/consumers/requirements.txt, and Telegraf.
#
# Of Telegraf, which Debian does not have, only the plugins that are shown are built.  Nothing is done while
# the stamp there is that of these sources.  The first time it takes about two minutes of CPU time.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
out=$root/build/tools/consumers
requirements=$root/docs/consumers/requirements.txt
plugins=inputs.nats_consumer,inputs.kafka_consumer,outputs.file,serializers.influx
plugins+=,processors.converter,parsers.json_v2,parsers.influx

mkdir -p "$root/build/tools"
exec 8>"$root/build/tools/consumers.lock"
flock 8 # one at a time; the second finds it done
stamp=$(cat go.mod go.sum build.sh "$requirements" | sha256sum)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
"$root/scripts/need.sh" go
go=$("$root/scripts/go.sh")
export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS="-mod=readonly -buildvcs=false"
export GOPATH=${GOPATH:-${HOME:-$root/build/tools}/go} # go wants a home, which not everyone has
export GOCACHE=${GOCACHE:-${HOME:-$root/build/tools}/.cache/go-build}
rm -rf "$out"
mkdir -p "$out"
python3 -m venv "$out/python"
"$out/python/bin/pip" install -q --disable-pip-version-check --no-deps --require-hashes -r "$requirements"
echo "building telegraf"
"$go" build -tags "custom,$plugins" -trimpath -ldflags "-s -w" -o "$out/telegraf" \
    github.com/influxdata/telegraf/cmd/telegraf
echo "$stamp" >"$out/stamp"
