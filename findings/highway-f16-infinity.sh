#!/usr/bin/env bash
# Highway 1.0.3 (Debian 12's libhwy-dev 1.0.3-3+deb12u1): without F16C, f16 infinities and NaN become numbers.
#
# Expected   PromoteTo(f32, f16) and DemoteTo(f16, f32) give the same values on every target, as IEEE 754 has them: an infinity stays
#            one, a NaN stays one, and what is too large for f16 becomes an infinity.
# Behaviour  On AVX2, which has instructions for it, that is so. On the scalar and the SSE4 target the conversion is written in
#            integers, and an exponent of all ones is taken for one more power of two: infinity is 65536, NaN 98304. The way
#            back makes 32768 of infinity, and about 62500 of a million.
# Seen       AVX2   wide: inf -inf nan 65504  narrow: 7c00 7c00 7bff
#            SSE4   wide: 65536 -65536 98304 65504  narrow: 7800 7ba1 7bff
#            SCALAR wide: 65536 -65536 98304 65504  narrow: 7800 7ba1 7bff
# Meaning    A program that detects overflow in f16 by infinities and NaN does not see it on such targets: convert by hand there.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
(cd "$dir" && apt-get download -q libhwy-dev=1.0.3-3+deb12u1 libhwy1=1.0.3-3+deb12u1 >log 2>&1) || { cat "$dir/log"; exit 1; }
for package in "$dir"/*.deb; do dpkg -x "$package" "$dir/unpacked"; done
cat >"$dir/convert.cc" <<'CC'
#include <hwy/highway.h>

#include <cstdio>
#include <cstring>
#include <limits>

namespace hn = hwy::HWY_NAMESPACE;

int main() {
    const hn::CappedTag<float, 4> wide;
    const hn::Rebind<hwy::float16_t, decltype(wide)> narrow;
    const size_t n = hn::Lanes(wide);
    const uint16_t bits[4] = {0x7c00, 0xfc00, 0x7e00, 0x7bff};  // infinity, its negative, NaN, the largest number
    HWY_ALIGN hwy::float16_t halves[4];
    HWY_ALIGN float values[4], back[4] = {std::numeric_limits<float>::infinity(), 1e6f, 65504.0f, 0.0f};
    std::memcpy(halves, bits, sizeof(bits));
    for (size_t i = 0; i < 4; i += n) hn::Store(hn::PromoteTo(wide, hn::Load(narrow, halves + i)), wide, values + i);
    for (size_t i = 0; i < 4; i += n) hn::Store(hn::DemoteTo(narrow, hn::Load(wide, back + i)), narrow, halves + i);
    uint16_t seen[4];
    std::memcpy(seen, halves, sizeof(seen));
    std::printf("%s wide: %g %g %g %g  narrow: %04x %04x %04x\n", hwy::TargetName(HWY_STATIC_TARGET), values[0], values[1], values[2],
                values[3], seen[0], seen[1], seen[2]);
}
CC
run() {
    g++ -O1 -std=c++17 -w -DHWY_COMPILE_ONLY_STATIC -I "$dir/unpacked/usr/include" "$@" "$dir/convert.cc" -o "$dir/convert" \
        "$dir"/unpacked/usr/lib/*/libhwy.so.1
    LD_LIBRARY_PATH=$(dirname "$dir"/unpacked/usr/lib/*/libhwy.so.1) "$dir/convert"
}
seen=$(run -mavx2 -mfma -mf16c -mbmi -mbmi2 -mlzcnt -mpopcnt -maes -mpclmul
       run -msse4.2 -maes -mpclmul
       run)
echo "$seen"
[ "$seen" = "AVX2 wide: inf -inf nan 65504  narrow: 7c00 7c00 7bff
SSE4 wide: 65536 -65536 98304 65504  narrow: 7800 7ba1 7bff
SCALAR wide: 65536 -65536 98304 65504  narrow: 7800 7ba1 7bff" ] || { echo "changed: another result than the one described above"; exit 1; }
