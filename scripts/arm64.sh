#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# arm64.sh - builds the preset arm64 with Debian's cross compiler and arm64's libraries, and runs the
# unit tests under qemu.  In a container of the Dockerfile's stage tools, so that this machine
# needs neither another architecture's packages nor binfmt; only qemu-aarch64-static is its own.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/image_build.sh
build --timestamp 0 --target tools --build-arg TARGETARCH=arm64 --tag localhost/strata-tools:arm64
qemu=$(command -v qemu-aarch64-static)
container=$("${buildah[@]}" from --pull-never localhost/strata-tools:arm64)
"${buildah[@]}" run --isolation chroot --network host --volume "$PWD:$PWD" --volume "$qemu:$qemu:ro" \
    --workingdir "$PWD" "$container" -- bash -euc '
    cmake --preset arm64 --log-level=WARNING >/dev/null
    cmake --build --preset arm64
    ctest --preset arm64'
