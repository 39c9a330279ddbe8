#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# need.sh PURPOSE... - sees to it that what each purpose needs is on this machine.
# need.sh --list PURPOSE - prints its packages, and does nothing.
#
# Missing Debian packages are installed, as root or by sudo; without both they are named, and this
# fails.  Servers are not installed, for their packages would start them as services: the
# packages are only unpacked into build/tools, which dev puts into PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A packages=(
    [build]="gcc libc6-dev cmake ninja-build pkgconf libcurl4-openssl-dev libyaml-dev libcyaml-dev
             libnats-dev librdkafka-dev libssl-dev libevent-dev libpcre2-dev libxxhash-dev libcjson-dev libcmocka-dev
             libmsgpack-dev zlib1g-dev libzstd-dev libsnappy-dev libprotobuf-c-dev protobuf-c-compiler liblz4-dev libsqlite3-dev sqlite3 libseccomp-dev
             python3"
    [test]="openssl clang protobuf-compiler python3-jsonschema python3-yaml"
    [lint]="clang clang-format clang-tidy shellcheck python3-yaml"
    [fuzz]="clang libclang-rt-14-dev llvm"
    [cluster]="openssl iproute2"
    [go]="python3-venv"
    [node]="nodejs npm"
    [image]="buildah podman runc debootstrap"
    [arm64]="qemu-user-static"
    [kafka]="openssl openjdk-17-jre-headless maven kcat"
)
declare -A servers=( # program:package
    [run]="prometheus-node-exporter:prometheus-node-exporter nats-server:nats-server"
    [test]="prometheus-node-exporter:prometheus-node-exporter nats-server:nats-server
            promtool:prometheus influxd:influxdb prometheus:prometheus prometheus-pushgateway:prometheus-pushgateway
            victoria-metrics:victoria-metrics nginx:nginx"
    [field]="prometheus:prometheus vmagent:victoria-metrics"
    [cluster]="etcd:etcd-server"
)

update() {
    [ "${updated:-}" ] && return
    updated=1
    "${root[@]}" apt-get update -qq >&2
}

install() { # PACKAGE...
    echo "installing: $*" >&2
    mkdir -p build
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 \
        --no-install-recommends "$@" >build/apt.log 2>&1
}

unpack() { # PACKAGE
    echo "unpacking into build/tools: $1" >&2
    rm -rf build/tools/deb
    mkdir -p build/tools/deb
    (cd build/tools/deb && apt-get download -qq -o APT::Sandbox::User=root "$1" >&2 &&
        dpkg-deb -x "$1"_*.deb ..) || return 1
    rm -r build/tools/deb
}

if [ "${1:-}" = --list ]; then
    echo "${packages[$2]}"
    exit 0
fi
command -v dpkg-query >/dev/null || {
    echo "this is no Debian: see scripts/need.sh for what has to be here" >&2
    exit 0
}
missing=() unpacked=()
for purpose in "$@"; do
    for p in ${packages[$purpose]:-}; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)" = installed ] ||
            missing+=("$p")
    done
    for s in ${servers[$purpose]:-}; do
        command -v "${s%:*}" >/dev/null || unpacked+=("${s#*:}")
    done
done
[ "${#missing[@]}${#unpacked[@]}" = 00 ] && exit 0

root=()
if [ "$(id -u)" != 0 ]; then
    root=(sudo)
    command -v sudo >/dev/null || {
        [ "${#missing[@]}" = 0 ] || {
            echo "missing, and neither root nor sudo is here to install them; as root:" >&2
            echo "    apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
            exit 1
        }
        updated=1
    }
fi
apt-cache show "${missing[@]}" "${unpacked[@]}" >/dev/null 2>&1 || update
if [ "${#missing[@]}" -gt 0 ]; then
    install "${missing[@]}" || { update && install "${missing[@]}"; } || {
        cat build/apt.log >&2
        exit 1
    }
fi
for p in "${unpacked[@]}"; do
    unpack "$p" || { update && unpack "$p"; }
done
