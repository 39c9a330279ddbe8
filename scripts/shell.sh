#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shell.sh - shellcheck on every script of the project.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tool.sh
require_tool shellcheck
find dev .ci scripts test bench deploy -type f \( -name '*.sh' -o -name dev -o -path '.ci/*' \) \
    -print0 | xargs -0 shellcheck -x -S warning
