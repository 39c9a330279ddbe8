#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# image_stage.sh tools|agent - the two steps of the Dockerfile's build stage, in a container.
#
# tools: what building for TARGETARCH needs, by Debian's multiarch where that is another
# architecture than this one.  agent: builds it and fills /out with what the image has over its
# base, whose list of packages is /base/status: the agent, the libraries it is linked with and what they
# depend on, certificates, the list of packages continued, the SBOM.  The packages are unpacked, not
# installed: none of them needs more than its files, and nothing of TARGETARCH has to run.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
own=$(dpkg --print-architecture)
arch=${TARGETARCH:-$own}
apt() { apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 "$@"; }

tools() {
    local packages=(ca-certificates binutils) p
    for p in $(scripts/need.sh --list build); do
        case $arch:$p in
        "$own":*) packages+=("$p") ;;
        arm64:gcc) packages+=(gcc-aarch64-linux-gnu) ;;
        *:*-dev) packages+=("$p:$arch") ;;
        *) packages+=("$p") ;;
        esac
    done
    [ "$arch" = "$own" ] || dpkg --add-architecture "$arch"
    apt update
    apt -o Dpkg::Options::=--force-unsafe-io install "${packages[@]}" >/tmp/apt.log 2>&1 || {
        cat /tmp/apt.log
        exit 1
    }
}

# The packages of the libraries that a program is linked with.
linked() { # PROGRAM
    objdump -p "$1" | awk '$1 == "NEEDED" { print "*/" $2 }' | sort |
        xargs dpkg-query -S | awk -v arch=":$arch:" 'index($1, arch) { sub(":$", "", $1); print $1 }' | sort -u
}

# Continues the list of packages of /out as dpkg would; what it says is what dpkg-query then says.
record() { # DEB
    local name same file
    name=$(dpkg-deb -f "$1" Package)
    same=$(dpkg-deb -f "$1" Multi-Arch)
    [ "$same" != same ] || name=$name:$(dpkg-deb -f "$1" Architecture)
    awk -v RS= -v ORS='\n\n' -v name="Package: $(dpkg-deb -f "$1" Package)" \
        'index($0 "\n", name "\n") != 1' /out/var/lib/dpkg/status >/tmp/status
    cp /tmp/status /out/var/lib/dpkg/status
    { dpkg-deb -f "$1" | sed '1a Status: install ok installed' && echo; } >>/out/var/lib/dpkg/status
    rm -rf /tmp/control
    dpkg-deb -e "$1" /tmp/control
    rm /tmp/control/control
    for file in /tmp/control/*; do
        install -m "$(stat -c %a "$file")" "$file" "/out/var/lib/dpkg/info/$name.$(basename "$file")"
    done
    dpkg-deb --fsys-tarfile "$1" | tar -t | sed 's,^\.,,; s,\(.\)/$,\1,; s,^/$,/.,' \
        >"/out/var/lib/dpkg/info/$name.list"
}

packages() { # NAME...: those that the base lacks, with what they depend on, into /out
    local deb of_base=(-o Dir::State::status=/base/status -o APT::Architecture="$arch"
        -o APT::Architectures="$arch" -o Dir::Cache::archives=/tmp/debs)
    mkdir -p /tmp/debs/partial
    apt update # the tools may be older than what the mirror has by now
    apt "${of_base[@]}" --download-only install "${@%:*}"
    for deb in /tmp/debs/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C /out --keep-directory-symlink \
            --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' \
            --exclude='./usr/share/lintian/*' --exclude='./usr/share/doc/*/[!c]*'
        record "$deb"
    done
}

agent() {
    local toolchain=() names
    [ "$arch" = "$own" ] || toolchain=(--toolchain "cmake/$arch.cmake")
    cmake --preset image "${toolchain[@]}"
    cmake --build --preset image
    mkdir -p /out/etc/strata /out/usr/{bin,lib,lib32,lib64,libx32,sbin} /out/usr/share/strata \
        /out/var/lib/dpkg/info
    for dir in bin lib lib32 lib64 libx32 sbin; do # as the base has it; taken away below
        ln -s "usr/$dir" "/out/$dir"
    done
    DESTDIR=/out cmake --install build/image --strip
    rm -r /out/usr/share/man
    cp /base/status /out/var/lib/dpkg/status
    names=$(linked /out/usr/bin/strata-agent)
    # shellcheck disable=SC2086
    packages $names ca-certificates
    cp /etc/ca-certificates.conf /out/etc/
    mkdir -p /out/etc/ssl && cp -a /etc/ssl/certs /out/etc/ssl/
    # shellcheck disable=SC2086
    python3 scripts/sbom.py /out/usr/bin/strata-agent /out/var/lib/dpkg $names \
        >/out/usr/share/strata/sbom.spdx.json
    find /out -maxdepth 1 -type l -delete
    find /out -mindepth 1 -type d -empty ! -path /out/etc/strata -delete
    find /out -exec touch -hd "@${SOURCE_DATE_EPOCH:-0}" {} +
}

"$@"
