#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# npm.sh FOLDER NAME - the packages that FOLDER/package-lock.json pins, into build/tools/NAME.
#
# Without optional ones, and without running any script of theirs.  Nothing is done while the
# stamp there is that of these sources.
set -euo pipefail
cd "$(dirname "$0")/.."
from=$1
out=$PWD/build/tools/$2

mkdir -p build/tools
exec 9>"$out.lock"
flock 9 # one at a time; the second finds it done
stamp=$(cat "$from/package.json" "$from/package-lock.json" | sha256sum)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    scripts/need.sh node
fi
rm -rf "$out"
mkdir -p "$out"
cp "$from/package.json" "$from/package-lock.json" "$out"
(cd "$out" && npm ci --omit=optional --no-audit --no-fund --ignore-scripts --loglevel=error)
echo "$stamp" >"$out/stamp"
