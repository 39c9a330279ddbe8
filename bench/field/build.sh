#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh telegraf|otelcol - that agent into build/tools/field, from Go modules pinned in the folder of its name.
#
# Of each only the parts that are measured are built.  The first time telegraf takes three minutes of CPU time, otelcol six.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
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

version=$(sed -n "s|^.*$module v\([^ ]*\).*|\1|p" "$1/go.mod" | head -n 1)
exec "$root/scripts/go_build.sh" "bench/field/$1" "field/$1" "$package" -tags "$tags" \
    -ldflags "-s -w -X $variable=$version"
