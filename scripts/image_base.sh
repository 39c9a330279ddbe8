#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# image_base.sh NAME - makes the base image NAME, if it is not there, in place of one from a registry:
# Debian bookworm's required packages by debootstrap from this machine's own mirrors, without
# manuals and translations, as Debian's slim images are.  As root.  BUILDAH: as image.sh says.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=bookworm
read -ra buildah <<<"$BUILDAH"
"${buildah[@]}" inspect --type image "$1" >/dev/null 2>&1 && exit 0
[ "$(id -u)" = 0 ] || {
    echo "debootstrap needs root; without it name a base image: BASE=debian:bookworm-slim" >&2
    exit 1
}
mirrors=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' "Origin: Debian" | grep " $suite" | sort -u)
mirror=$(sed -n "s/^deb \(.*\) $suite main\$/\1/p" <<<"$mirrors" | head -n 1)
work=$(mktemp -d build/tools/image/base.XXXXXX)
trap 'rm -rf "$work"' EXIT
echo "making the base image by debootstrap" >&2
debootstrap --variant=minbase "$suite" "$work/root" ${mirror:+"$mirror"} >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    exit 1
}
[ -z "$mirrors" ] || echo "$mirrors" >"$work/root/etc/apt/sources.list"
mkdir -p "$work/root/etc/dpkg/dpkg.cfg.d"
printf 'path-exclude /usr/share/%s/*\n' man locale >"$work/root/etc/dpkg/dpkg.cfg.d/slim"
cd "$work/root"
rm -rf usr/share/{man,locale}/* var/cache/apt/* var/lib/apt/lists/* var/log/* var/cache/debconf/*-old
find usr/share/doc -type f ! -name copyright -delete
find usr/share/doc -type d -empty -delete
cd - >/dev/null
container=$("${buildah[@]}" from scratch)
"${buildah[@]}" add -q "$container" "$work/root" / >/dev/null
"${buildah[@]}" config --cmd bash "$container"
"${buildah[@]}" commit -q --rm --format docker "$container" "$1" >/dev/null
