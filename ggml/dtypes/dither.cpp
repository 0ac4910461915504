// Split: none, sixteen bytes of codes at a time at most. Every operation is rounded by itself, so the codes are the same for
// any width of vectors.
#include "ggml/dtypes/dither.hpp"

#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ggml/dtypes/dither.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ql {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 16>;
using Ints = hn::RebindToSigned<Tag>;
using Words = hn::RebindToUnsigned<Tag>;
using Vec = hn::Vec<Tag>;
using IntVec = hn::Vec<Ints>;
using WordVec = hn::Vec<Words>;
constexpr Tag kTag;
constexpr Ints kInts;
constexpr Words kWords;
constexpr int kWidth = hn::MaxLanes(kTag);

/// dither_threshold of elements first, first + 1 ...
HWY_INLINE Vec thresholds(uint32_t key, uint32_t first) {
    WordVec h = hn::Xor(hn::Mul(hn::Iota(kWords, first), hn::Set(kWords, 0x9e3779b1u)), hn::Set(kWords, key));
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

/// The codes of weights on one line, moved.
HWY_INLINE IntVec moved(Vec x, IntVec code, const DitherUnits & units, DitherLine line, Vec threshold) {
    const float factor = 1 / line.scale;
    if (!(std::fabs(factor) <= std::numeric_limits<float>::max())) return code;  // all values are the same
    const Vec inverse = hn::Set(kTag, factor);
    const Vec v = hn::Mul(hn::Sub(x, hn::Set(kTag, line.offset)), inverse);
    const Vec above = hn::Sub(v, of_table(units.unit, code));
    const Vec rest = hn::Sub(hn::Set(kTag, 1), threshold);
    const auto up = hn::Gt(above, hn::Mul(threshold, of_table(units.up, code)));
    const auto down = hn::Gt(hn::Neg(above), hn::Mul(rest, of_table(units.down, code)));
    const IntVec one = hn::Set(kInts, 1);
    const IntVec higher = hn::IfThenElseZero(hn::RebindMask(kInts, up), one);
    const IntVec lower = hn::IfThenElseZero(hn::RebindMask(kInts, down), one);
    return hn::Sub(hn::Add(code, higher), lower);
}

void nibbles(const float * x, int n, const DitherUnits & units, DitherLine low, DitherLine high, uint32_t key,
             uint32_t first, uint8_t * codes) {
    const hn::Rebind<uint8_t, Tag> bytes;
    for (int j = 0; j < n; j += kWidth) {
        const IntVec both = hn::PromoteTo(kInts, hn::LoadU(bytes, codes + j));
        const uint32_t at = first + static_cast<uint32_t>(j);
        const IntVec lower =
            moved(hn::LoadU(kTag, x + j), hn::And(both, hn::Set(kInts, 15)), units, low, thresholds(key, at));
        const IntVec upper = moved(hn::LoadU(kTag, x + n + j), hn::ShiftRight<4>(both), units, high,
                                   thresholds(key, at + static_cast<uint32_t>(n)));
        hn::StoreU(hn::DemoteTo(bytes, hn::Or(lower, hn::ShiftLeft<4>(upper))), bytes, codes + j);
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

void dither_nibbles(const float * x, int n, const DitherUnits & units, DitherLine low, DitherLine high,
                    const Dither & dither, uint8_t * codes) {
    HWY_DYNAMIC_DISPATCH(nibbles)(x, n, units, low, high, dither.key, static_cast<uint32_t>(dither.first), codes);
}

}  // namespace ql
#endif
