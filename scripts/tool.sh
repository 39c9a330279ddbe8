# SPDX-License-Identifier: Apache-2.0
# tool.sh - sourced: require_tool PROGRAM [VERSION] ends a test as skipped (77) where the program
# is not there or of another major version; under STRATA_REQUIRE=all it ends it as failed.
# shellcheck shell=bash
require_tool() {
    local why
    if ! command -v "$1" >/dev/null; then
        why="$1 is not here"
    elif [ -n "${2:-}" ] && ! "$1" --version | grep -q "version $2\."; then
        why="$1 is not version $2"
    else
        return 0
    fi
    echo "$why"
    [ "${STRATA_REQUIRE:-}" = all ] && exit 1
    exit 77
}
