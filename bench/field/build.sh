#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh telegraf|otelcol - that agent into build/tools/field, from Go modules pinned in the folder of its name.
#
# Of each only the parts that are measured are built.  Nothing is done while the stamp there is that of these
# sources.  The first time telegraf takes three minutes of CPU time, otelcol six.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
out=$root/build/tools/field
case "${1:-}" in
telegraf)
    package=github.com/influxdata/telegraf/cmd/telegraf
    tags=custom,inputs.prometheus,parsers.prometheus,outputs.nats,outputs.kafka,outputs.http
    tags+=,serializers.json,serializers.prometheusremotewrite
    variable=github.com/influxdata/telegraf/internal.Version
    module=github.com/influxdata/telegraf
    ;;
otelcol)
    package=.
    tags=remove_all_sd # only static targets
    variable=main.version
    module=go.opentelemetry.io/collector/otelcol
    ;;
*) echo "build.sh takes telegraf or otelcol" >&2 && exit 2 ;;
esac

mkdir -p "$out"
exec 9>"$out/$1.lock"
flock 9 # one at a time; the second finds it done
stamp=$(cat build.sh "$1"/* | sha256sum)
if [ "$(cat "$out/$1.stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
go=$("$root/scripts/go.sh")
export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS="-mod=readonly -buildvcs=false"
export GOPATH=${GOPATH:-${HOME:-$root/build/tools}/go} # go wants a home, which not everyone has
export GOCACHE=${GOCACHE:-${HOME:-$root/build/tools}/.cache/go-build}
cd "$1"
version=$(sed -n "s|^.*$module v\([^ ]*\).*|\1|p" go.mod | head -n 1)
"$go" build -tags "$tags" -trimpath -ldflags "-s -w -X $variable=$version" -o "$out/$1" "$package"
echo "$stamp" >"$out/$1.stamp"
