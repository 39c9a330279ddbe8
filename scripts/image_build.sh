# SPDX-License-Identifier: Apache-2.0
# image_build.sh - sourced, in the project's root: build OPTION... builds from the Dockerfile, on BASE, or without
# it on a base that is made (image_base.sh); its log is build/image/log.  Images and layers
# are kept in build/tools/image, apart from those of the machine; STORAGE_DRIVER as containers-storage.conf(5)
# knows them, where there is no overlay.
#
# As root the script that sources this is started anew in a mount namespace of its own: whatever
# buildah leaves mounted, or a death of the script does, is gone with it.
# shellcheck shell=bash
if [ "$(id -u)" = 0 ] && [ -z "${STRATA_OWN_MOUNTS:-}" ]; then
    STRATA_OWN_MOUNTS=1 exec unshare --mount --propagation private "scripts/$(basename "$0")" "$@"
fi
unset STRATA_OWN_MOUNTS
here=$PWD/build/tools/image
mkdir -p "$here" build/image
: >build/image/log
run=$(mktemp -d)
export BUILDAH="buildah --root $here/storage --runroot $run --storage-driver ${STORAGE_DRIVER:-overlay}"
read -ra buildah <<<"$BUILDAH"
cleanup() { # a build leaves the containers of stages behind in which nothing was done
    "${buildah[@]}" rm --all >/dev/null
    "${buildah[@]}" rmi --prune >/dev/null
    umount "$here/storage/overlay" "$run"/* 2>/dev/null || true
    rm -rf "$run"
}
trap cleanup EXIT
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
