#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh [SECONDS [NAME...]] - runs each fuzz target of build/fuzz, or those named, for 60 s on
# test/fuzz/corpus/NAME, two at a time.  They run in build/fuzz: what is new goes into
# corpus/NAME there, what breaks into crash-NAME-*, and whatever else they leave stays there, too.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
export root
seconds=${1:-60}
shift $(($# ? 1 : 0))
[ $# -gt 0 ] || for source in test/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    [ "$name" = fuzz_main ] || set -- "$@" "${name#fuzz_}"
done

one() { # SECONDS NAME
    local corpus=corpus/$2 log=$2.log seeds=$root/test/fuzz/corpus/$2
    mkdir -p "$corpus"
    [ -d "$seeds" ] || seeds=$corpus
    if "test/fuzz_$2" -max_total_time="$1" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="crash-$2-" "$corpus" "$seeds" >"$log" 2>&1; then
        echo "$2: nothing found in $(sed -n 's/.*executed_units: *//p' "$log") runs, $1 s"
    else
        tail -n 40 "$log"
        echo "$2: FAILED; the log is build/fuzz/$log"
        return 1
    fi
}
export -f one
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
cd build/fuzz
printf '%s\0' "$@" | xargs -0 -n 1 -P 2 bash -c 'one "$0" "$1"' "$seconds"
