#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# format.sh [-i] - names each line of C that .clang-format writes otherwise; -i: rewrites it.
# Only clang-format 14 counts: others lay out a few things differently.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tool.sh
require_tool clang-format 14
mode=(--dry-run -Werror)
[ "${1:-}" != -i ] || mode=(-i)
find cmd lib filters encoders sinks test bench docs -name '*.[ch]' -print0 |
    xargs -0 clang-format "${mode[@]}"
