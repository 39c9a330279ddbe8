#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh - prometheus_client, another reader of pages, into build/tools/oracle, a venv.
#
# Nothing is done while the stamp there is that of these sources.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
out=$root/build/tools/oracle

mkdir -p "$root/build/tools"
exec 7>"$root/build/tools/oracle.lock"
flock 7 # one at a time; the second finds it done
stamp=$(sha256sum <requirements.txt)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
python3 -c 'import ensurepip' 2>/dev/null || "$root/scripts/need.sh" go # python3-venv
rm -rf "$out"
python3 -m venv "$out"
"$out/bin/pip" install -q --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.txt
echo "$stamp" >"$out/stamp"
