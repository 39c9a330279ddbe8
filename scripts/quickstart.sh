#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# quickstart.sh [--nats] - a node exporter, the agent, and with --nats a nats-server and a
# subscriber, all on loopback with ports of their own choice, until Ctrl-C.
#
# Each runs in a session of its own: Ctrl-C reaches only this script, which first stops the
# agent, so that it can still deliver, and then the others.  If this script dies, they die.
# STRATA_AGENT is another agent than that of the release build.
set -euo pipefail
cd "$(dirname "$0")/.."

config=deploy/quickstart.yaml
case "${1:-}" in
--nats) config=deploy/quickstart-nats.yaml ;;
"") ;;
*) echo "run takes --nats or nothing" >&2 && exit 2 ;;
esac

dir=$(mktemp -d)
pids=()
agent=
stopped= # by a signal
stop() {
    stopped=1 interrupted=1
    [ -z "$agent" ] || kill -TERM "$agent" 2>/dev/null || true
}
cleanup() {
    trap '' INT TERM HUP
    for pid in "$agent" "${pids[@]}"; do
        [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null || true
    done
    wait
    rm -rf "$dir"
}
trap stop INT TERM HUP
trap cleanup EXIT

# alone PROGRAM ARG... &
alone() {
    exec setsid setpriv --pdeathsig TERM "$@"
}

# await FILE SED-SCRIPT: sets found to what the script prints of the file, once that is something.
await() {
    for _ in $(seq 100); do
        found=$(sed -nE "$2" "$1" 2>/dev/null | head -n 1) || true
        [ -z "$found" ] || return 0
        [ -z "$stopped" ] || exit 130
        sleep 0.1
    done
    cat "$1" >&2
    echo "no answer in 10 s" >&2
    exit 1
}

alone prometheus-node-exporter --web.listen-address=127.0.0.1:0 >"$dir/exporter.log" 2>&1 &
pids+=($!)
await "$dir/exporter.log" 's/.*Listening on.* address=([0-9.:]+).*/\1/p'
export NODE_EXPORTER=$found
echo "node exporter: http://$NODE_EXPORTER/metrics" >&2

if [ "$config" = deploy/quickstart-nats.yaml ]; then
    alone nats-server -a 127.0.0.1 -p -1 -js -sd "$dir/js" >"$dir/nats.log" 2>&1 &
    pids+=($!)
    await "$dir/nats.log" 's/.*client connections on ([0-9.:]+).*/\1/p'
    export NATS=$found
    echo "nats-server:   nats://$NATS" >&2
    alone python3 scripts/nats_sub.py "$NATS" 'metrics.>' "$dir/ready" &
    pids+=($!)
    await "$dir/ready" p
fi
echo "stop it with Ctrl-C" >&2

[ -z "$stopped" ] || exit 130
alone "${STRATA_AGENT:-build/release/cmd/agent/strata-agent}" run -c "$config" &
agent=$!
interrupted=1
while [ "$interrupted" ]; do # a signal ends wait early
    interrupted=
    status=0
    wait "$agent" || status=$?
done
agent=
exit "$status"
