#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh - what the consumers of docs/CONSUMERS.md need, into build/tools/consumers: a Python with
# the packages of docs/consumers/requirements.txt, and Telegraf.
#
# Of Telegraf, which Debian does not have, only the plugins that are shown are built.  The first time it takes about two minutes of CPU time.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
out=$root/build/tools/consumers
requirements=$root/docs/consumers/requirements.txt
plugins=inputs.nats_consumer,inputs.kafka_consumer,outputs.file,serializers.influx
plugins+=,processors.converter,parsers.json_v2,parsers.influx

"$root/scripts/need.sh" go
"$root/scripts/go_build.sh" test/consumers consumers/telegraf github.com/influxdata/telegraf/cmd/telegraf \
    -tags "custom,$plugins" -ldflags "-s -w"

exec 8>"$root/build/tools/consumers.lock"
flock 8 # one at a time; the second finds it done
stamp=$(sha256sum <"$requirements")
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
rm -rf "$out/python"
python3 -m venv "$out/python"
"$out/python/bin/pip" install -q --disable-pip-version-check --no-deps --require-hashes -r "$requirements"
echo "$stamp" >"$out/stamp"
