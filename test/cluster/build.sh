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

mkdir -p "$root/build/tools"
exec 9>"$root/build/tools/cluster.lock"
flock 9 # one at a time; the second finds it done
stamp=$({ echo "$version" && cat main.go {.,kwok,helm}/go.{mod,sum}; } | sha256sum)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

compile() { # NAME FOLDER PACKAGE [FLAG...]
    echo "building $1"
    (cd "$2" && "$go" build -trimpath -o "$new/$1" "${@:4}" "$3")
}

go=$("$root/scripts/go.sh")
[ "${1:-}" = go ] && exit
export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS="-mod=readonly -buildvcs=false"
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
