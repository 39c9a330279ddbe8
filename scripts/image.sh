#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# image.sh [--fresh] [TAG] - builds the image of the agent and puts it and its SBOM into build/image:
# strata-agent.tar, for podman load and docker load, and sbom.spdx.json.  TAG: strata-agent:VERSION.
# --fresh: nothing that is kept from earlier builds is used, but the base.
#
# BASE: an image to build on, in place of one that is made.  ARCH: arm64 or amd64, where it is not this
# machine's; BASE has to have both.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/image_build.sh
fresh=
if [ "${1:-}" = --fresh ]; then
    fresh=1
    shift
fi
version=$(sed -n 's/^project(strata VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
tag=${1:-strata-agent:$version}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
stage=(--timestamp "$SOURCE_DATE_EPOCH" --build-arg SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH")
labels=(--build-arg VERSION="$version"
    --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || echo unknown)"
    --build-arg CREATED="$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)")
own=$(dpkg --print-architecture)
if [ "${ARCH:-$own}" != "$own" ]; then
    [ "$BASE" != localhost/strata-base:bookworm ] || {
        echo "a base for $ARCH cannot be made here; name one: BASE=debian:bookworm-slim" >&2
        exit 1
    }
    labels+=(--platform "linux/$ARCH" --build-arg BUILDER="linux/$own")
    fresh=1 # the stages with names are for this machine's
fi

if [ "$fresh" ]; then
    build "${stage[@]}" "${labels[@]}" --no-cache --tag "$tag"
else
    # Stages with names are kept for the next time.
    build --timestamp 0 --target tools --tag localhost/strata-tools
    build "${stage[@]}" --target build --tag localhost/strata-build
    build "${stage[@]}" "${labels[@]}" --tag "$tag"
fi

container=$("${buildah[@]}" from --pull-never "$tag")
cp "$("${buildah[@]}" mount "$container")/usr/share/strata/sbom.spdx.json" build/image/
rm -f build/image/strata-agent.tar
"${buildah[@]}" push -q "$tag" "docker-archive:build/image/strata-agent.tar:$tag"
echo "$tag: build/image/strata-agent.tar, build/image/sbom.spdx.json" >&2
