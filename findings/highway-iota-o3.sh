#!/usr/bin/env bash
# Highway 1.0.3 (Debian 12's libhwy-dev 1.0.3-3+deb12u1) with GCC 12: -O3 makes Iota many times as slow as -O2 does.
#
# Expected   hn::Iota(d, first) of a first that is known only when the program runs is one addition of a constant vector, and more
#            optimisation does not make it slower.
# Behaviour  Highway 1.0.3 writes Iota as a loop over an array in memory. GCC 12 makes a vector of that loop at -O2; at -O3 it unrolls
#            the loop first, and what is left are 16 stores of 4 bytes and one load of 64, which waits until all of them are done.
#            A loop of several such vectors spends most of its time there: rounding by thresholds took 2.8 ns a weight, and .8 ns with
#            the lanes made once, in front of the loop.
# Seen       AVX-512, stores of single lanes in a loop with one Iota: -O2 0, -O3 16
# Meaning    Make Iota(d, 0) once and add Set(d, first) to it: the same numbers, and as fast at either level.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
(cd "$dir" && apt-get download -q libhwy-dev=1.0.3-3+deb12u1 >log 2>&1) || { cat "$dir/log"; exit 1; }
dpkg -x "$dir"/*.deb "$dir/unpacked"
compiler=$(g++ -dumpversion)
[ "$compiler" = 12 ] || { echo "GCC is $compiler, not 12"; exit 1; }
cat >"$dir/iota.cc" <<'CC'
#include <hwy/highway.h>

namespace hn = hwy::HWY_NAMESPACE;

void number(uint32_t * to, uint32_t first, size_t n) {
    const hn::ScalableTag<uint32_t> d;
    for (size_t i = 0; i < n; i += hn::Lanes(d))
        hn::StoreU(hn::Mul(hn::Iota(d, first + static_cast<uint32_t>(i)), hn::Set(d, 0x9e3779b1u)), d, to + i);
}
CC
lane_stores() {
    g++ "$1" -std=c++17 -w -DHWY_COMPILE_ONLY_STATIC -march=skylake-avx512 -maes -mpclmul -I "$dir/unpacked/usr/include" -S \
        "$dir/iota.cc" -o "$dir/iota.s"
    grep -cE '^\s+(movl|vmovd)\s+%[a-z0-9]+, -?[0-9]*\(%(rsp|rbp)\)' "$dir/iota.s" || true
}
plain=$(lane_stores -O2) more=$(lane_stores -O3)
echo "stores of single lanes: -O2 $plain, -O3 $more"
[ "$plain" = 0 ] && [ "$more" = 16 ] || { echo "changed: another result than the one described above"; exit 1; }
