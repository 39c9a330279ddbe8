# SPDX-License-Identifier: Apache-2.0
# image_build.sh - sourced, in the project's root: build OPTION... builds from the Dockerfile, on BASE, or without
# it on a base that is made (image_base.sh); its log goes behind build/image/log.  Images and layers
# are kept in build/tools/image, apart from those of the machine.
# shellcheck shell=bash
here=$PWD/build/tools/image
mkdir -p "$here" build/image
export BUILDAH="buildah --root $here/storage --runroot $here/run --storage-driver overlay"
read -ra buildah <<<"$BUILDAH"
pull=()
if [ -z "${BASE:-}" ]; then
    BASE=localhost/strata-base:bookworm
    scripts/image_base.sh "$BASE"
    pull=(--pull-never)
fi

build() { # OPTION...
    "${buildah[@]}" build "${pull[@]}" --isolation chroot --network host --format docker --layers \
        --build-arg BASE="$BASE" "$@" . >>build/image/log 2>&1 || {
        tail -n 40 build/image/log >&2
        exit 1
    }
}
