// Split: none, sixteen bytes of codes at a time at most, and run after run. Every operation is rounded by itself, so the codes
// are the same for any width of vectors.
#include "ggml/dtypes/dither.hpp"

#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ggml/dtypes/dither.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ggml/dtypes/lanes.inl"

HWY_BEFORE_NAMESPACE();
namespace ql {
namespace HWY_NAMESPACE {
using Words = hn::RebindToUnsigned<Tag>;
using WordVec = hn::Vec<Words>;
constexpr Words kWords;

constexpr uint32_t kElement = 0x9e3779b1u;  // of dither_threshold

/// dither_threshold of elements first, first + 1 ...; lanes: kElement times 0, 1 ...
HWY_INLINE Vec thresholds(uint32_t key, WordVec lanes, uint32_t first) {
    WordVec h = hn::Xor(hn::Add(lanes, hn::Set(kWords, first * kElement)), hn::Set(kWords, key));
    h = hn::Mul(hn::Xor(h, hn::ShiftRight<16>(h)), hn::Set(kWords, 0x7feb352du));
    h = hn::Mul(hn::Xor(h, hn::ShiftRight<15>(h)), hn::Set(kWords, 0x846ca68bu));
    h = hn::Xor(h, hn::ShiftRight<16>(h));
    const IntVec bits = hn::BitCast(kInts, hn::ShiftRight<8>(h));
    return hn::Mul(hn::ConvertTo(kTag, bits), hn::Set(kTag, 0x1p-24f));
}

HWY_INLINE Vec of_table(const float * table, IntVec code) {
    if constexpr (kWidth == 16) return hn::TableLookupLanes(hn::LoadU(kTag, table), hn::IndicesFromVec(kTag, code));
    return hn::GatherIndex(kTag, table, code);
}

/// A line of values, of which none is another where its inverse is a number.
struct Line {
    float inverse, offset;
    bool is_flat;
    HWY_INLINE explicit Line(const DitherLine & line)
        : inverse(1 / line.scale),
          offset(line.offset),
          is_flat(!(std::fabs(inverse) <= std::numeric_limits<float>::max())) {}
};

/// The codes of weights on one line, moved.
HWY_INLINE IntVec moved(Vec x, IntVec code, const DitherUnits & units, const Line & line, Vec threshold) {
    if (line.is_flat) return code;
    const Vec v = hn::Mul(hn::Sub(x, hn::Set(kTag, line.offset)), hn::Set(kTag, line.inverse));
    const Vec above = hn::Sub(v, of_table(units.unit, code));
    const Vec rest = hn::Sub(hn::Set(kTag, 1), threshold);
    const auto up = hn::Gt(above, hn::Mul(threshold, of_table(units.up, code)));
    const auto down = hn::Gt(hn::Neg(above), hn::Mul(rest, of_table(units.down, code)));
    const IntVec one = hn::Set(kInts, 1);
    const IntVec higher = hn::IfThenElseZero(hn::RebindMask(kInts, up), one);
    const IntVec lower = hn::IfThenElseZero(hn::RebindMask(kInts, down), one);
    return hn::Sub(hn::Add(code, higher), lower);
}

void nibbles(const float * x, int n, const NibbleRuns & runs, const DitherUnits & units, const Dither & dither,
             uint8_t * codes) {
    const WordVec lanes = hn::Mul(hn::Iota(kWords, 0), hn::Set(kWords, kElement));
    auto first = static_cast<uint32_t>(dither.first);
    for (int64_t run = 0; run < runs.n; ++run, codes += runs.stride) {
        const Line low(runs.lines[2 * run]), high(runs.lines[2 * run + 1]);
        for (int j = 0; j < n; j += kWidth, x += kWidth, first += static_cast<uint32_t>(kWidth)) {
            const IntVec both = hn::PromoteTo(kInts, hn::LoadU(kBytes, codes + j));
            const IntVec lower = moved(hn::LoadU(kTag, x), hn::And(both, hn::Set(kInts, 15)), units, low,
                                       thresholds(dither.key, lanes, first));
            const IntVec upper = moved(hn::LoadU(kTag, x + n), hn::ShiftRight<4>(both), units, high,
                                       thresholds(dither.key, lanes, first + static_cast<uint32_t>(n)));
            hn::StoreU(hn::DemoteTo(kBytes, hn::Or(lower, hn::ShiftLeft<4>(upper))), kBytes, codes + j);
        }
        x += n, first += static_cast<uint32_t>(n);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql {
namespace {
HWY_EXPORT(nibbles);
}  // namespace

void dither_nibbles(const float * x, int n, const NibbleRuns & runs, const DitherUnits & units, const Dither & dither,
                    uint8_t * codes) {
    HWY_DYNAMIC_DISPATCH(nibbles)(x, n, runs, units, dither, codes);
}

}  // namespace ql
#endif
