#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tidy.sh BUILD_DIR - clang-tidy, with the checks of .clang-tidy, on every source of a build, but for
# what the build itself has made.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tool.sh
require_tool run-clang-tidy
require_tool clang-tidy 14
status=0
said=$(run-clang-tidy -p "$1" -quiet "^$PWD/(?!build/)" 2>&1) || status=$?
grep -vE '^clang-tidy|warnings generated|^$' <<<"$said" || true # it names every file it reads
exit "$status"
