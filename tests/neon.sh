#!/usr/bin/env bash
# The CPU kernels' tests as 64-bit ARM code, under emulation: the same conformance suite over Highway's NEON target.
#     tests/neon.sh [option of ql_test_cpu...]
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/../tools/lib/setup.sh"

# fetch_arm64 FOLDER PACKAGE...: unpacks arm64 packages there. apt works with a configuration of its own, so nothing of
# the system changes and no rights are needed.
fetch_arm64() {
    local folder=$1 apt; shift
    [ ! -f "$folder/complete" ] || return 0
    apt=$(mktemp -d)
    mkdir -p "$folder" "$apt/lists/partial" "$apt/archives/partial"
    : >"$apt/status"
    printf '%s\n' 'APT::Architecture "arm64";' 'APT::Architectures { "arm64"; };' 'APT::Sandbox::User "";' \
        "Dir::State \"$apt\";" "Dir::State::status \"$apt/status\";" "Dir::Cache \"$apt\";" >"$apt/apt.conf"
    (cd "$apt" && export APT_CONFIG=$apt/apt.conf && apt-get update -q && apt-get download -q "$@") >"$apt/log" 2>&1 ||
        { tail -5 "$apt/log"; exit 1; }
    for package in "$apt"/*.deb; do dpkg -x "$package" "$folder"; done
    rm -rf "$apt"
    touch "$folder/complete"
}

say "NEON under emulation"
install g++-aarch64-linux-gnu qemu-user $packages_build
fetch_arm64 "$cache/arm64" libhwy-dev libhwy1 libgtest-dev libpcre2-dev libpcre2-8-0 zlib1g-dev zlib1g
build=$root/build/aarch64
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DQL_BUILD_PROGRAMS=OFF \
    -DCMAKE_TOOLCHAIN_FILE="$root/cmake/aarch64-linux-gnu.cmake" >/dev/null
cmake --build "$build" --target ql_test_cpu
qemu-aarch64 -L /usr/aarch64-linux-gnu "$build/bin/ql_test_cpu" "$@"
