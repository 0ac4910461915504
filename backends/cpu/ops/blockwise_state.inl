// The codec of 8-bit states (ggml/ops/blockwise_state.hpp) in vectors, with the bits of the scalar one. Compiled once
// for each instruction set; included like vec.inl, which it includes.
//
// A code is not searched for. Between powers of ten the entries of a dynamic map lie evenly, and the farther apart the
// larger they are. So the code of a point of the grid is the least of a few lines through it, rounded down: one for each
// decade that the grid reaches, and one for the wider gap between two of them. Without vectors it is looked up instead, in
// a table of all 65,536 points.
#if defined(QL_CPU_BLOCKWISE_STATE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_BLOCKWISE_STATE_INL
#undef QL_CPU_BLOCKWISE_STATE_INL
#else
#define QL_CPU_BLOCKWISE_STATE_INL
#endif

#include "backends/cpu/vec.inl"
#include "ggml/ops/blockwise_state.hpp"

#ifndef QL_CPU_BLOCKWISE_STATE_ONCE
#define QL_CPU_BLOCKWISE_STATE_ONCE
#include <array>
#include <cmath>
namespace ql::cpu {
/// slope * size + offset, of a point's distance from the grid's middle. The offsets are half a code below those that are
/// rounded down, so that a sum rounded to nearest will do.
struct Line {
    float slope, offset;
};
struct MapLines {
    Line line
        [8];  // chosen for dynamic_code() on the whole grid, each 1e-5 or more from where it would give another code
    float top, top_code;  // from `top` on it is the code of 1
};
inline constexpr MapLines kLinesSigned = {{{0.00217017137f, 56.3888528f},
                                           {0.00543478261f, 45.187518f},
                                           {0.0108509423f, 27.94405f},
                                           {0.027027027f, 22.1351531f},
                                           {0.0542168675f, 13.7259216f},
                                           {0.142857143f, 10.2857323f},
                                           {0.272792208f, 6.54453099f},
                                           {1, 3.000018f}},
                                          32652.5f,
                                          128};
inline constexpr MapLines kLinesUnsigned = {{{0.00434034274f, 112.277763f},
                                             {0.0108695652f, 90.375018f},
                                             {0.0217018846f, 55.388082f},
                                             {0.0526315789f, 44.7368601f},
                                             {0.108490566f, 26.9457727f},
                                             {0.25f, 21.625018f},
                                             {0.538461538f, 12.7692488f},
                                             {2.005f, 6.492518f}},
                                            32710.5f,
                                            255};

/// The code of each point of the grid.
using GridCodes = std::array<uint8_t, 65536>;
template <bool is_signed>
const GridCodes & grid_codes() {
    static const GridCodes codes = [] {
        GridCodes all;
        for (size_t i = 0; i < all.size(); ++i)
            all[i] = dynamic_code(is_signed ? kDynamicMapSigned : kDynamicMapUnsigned,
                                  2.0f * static_cast<float>(i) / 65535.0f - 1.0f);
        return all;
    }();
    return codes;
}
/// 3 * 2^22: a sum with it, of either sign, is rounded to an integer, which its low bits are.
inline constexpr float kIntegers = 12582912;
}  // namespace ql::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

using TagU8 = hn::Rebind<uint8_t, TagF32>;
constexpr TagU8 kU8;

/// The first n elements of v, 0 behind them.
HWY_INLINE Vec first_of(Vec v, int64_t n) {
    return n >= kLanes ? v : hn::IfThenElseZero(hn::FirstN(kF32, static_cast<size_t>(n)), v);
}

/// The numbers of the first n codes, up to kLanes; behind them those of code 0.
HWY_INLINE Vec decode_states(const DynamicMap & map, const uint8_t * codes, Vec absmax, int64_t n) {
    alignas(16) uint8_t part[16] = {};
    if (n < kLanes) codes = static_cast<const uint8_t *>(std::memcpy(part, codes, static_cast<size_t>(n)));
    const auto index = hn::PromoteTo(kI32, hn::LoadU(kU8, codes));
    return hn::Mul(hn::GatherIndex(kF32, map.data(), index), absmax);
}

/// The low byte of each lane is the code of `number`, x of it in [-1, 1].
template <bool is_signed>
HWY_INLINE VecU32 state_codes(Vec x, Vec number) {
    constexpr const MapLines & map = is_signed ? kLinesSigned : kLinesUnsigned;
    const auto set = [](float v) { return hn::Set(kF32, v); };
    const Vec scaled = hn::Add(hn::Mul(hn::Add(x, set(1)), set(32767.5f)), set(0.5f));
    const Vec from_middle = hn::Sub(hn::Floor(scaled), set(32767.5f));
    const Vec size = is_signed ? hn::Abs(from_middle) : from_middle;
    const auto line = [&](int i) { return hn::MulAdd(size, set(map.line[i].slope), set(map.line[i].offset)); };
    const Vec low = hn::Min(hn::Min(line(4), line(5)), hn::Min(line(6), line(7)));
    const Vec high = hn::Min(hn::Min(line(0), line(1)), hn::Min(line(2), line(3)));
    const Vec code = hn::IfThenElse(hn::Ge(from_middle, set(map.top)), set(map.top_code), hn::Min(low, high));
    if constexpr (!is_signed) return hn::BitCast(kU32, hn::Add(code, set(kIntegers)));
    const Vec around = hn::Add(hn::CopySign(code, from_middle), set(kIntegers + kDynamicZeroSigned));
    const VecU32 minus_rounded_up = hn::AndNot(hn::BitCast(kU32, from_middle), hn::BitCast(kU32, number));
    return hn::Sub(hn::BitCast(kU32, around), hn::ShiftRight<31>(minus_rounded_up));
}

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
/// Encodes a block of n numbers; returns its absmax.
template <bool is_signed>
HWY_INLINE float encode_states(const float * block, int64_t n, uint8_t * codes) {
    const GridCodes & of_point = grid_codes<is_signed>();
    float most[4] = {};  // chains of their own
    for (int64_t i = 0; i < n; ++i) most[i % 4] = std::max(most[i % 4], std::fabs(block[i]));
    const float absmax = std::max(std::max(most[0], most[1]), std::max(most[2], most[3]));
    const float factor = block_factor(absmax);
    for (int64_t i = 0; i < n; ++i) {
        const float x = block[i], scaled = factor > 0 ? x * factor : 0.0f;
        const uint8_t code = of_point[static_cast<size_t>((scaled + 1.0f) / 2.0f * 65535.0f + 0.5f)];
        const bool is_minus = is_signed && code < kDynamicZeroSigned;
        codes[i] = static_cast<uint8_t>(code + (is_minus == std::signbit(x) ? 0 : x > 0 ? 1 : -1));
    }
    return absmax;
}
#else
/// Encodes a block of n numbers in a buffer of kStateBlock whose rest is 0; returns its absmax.
template <bool is_signed>
HWY_INLINE float encode_states(const float * block, int64_t n, uint8_t * codes) {
    Vec most = hn::Zero(kF32);
    for (int64_t i = 0; i < n; i += kLanes) most = hn::Max(most, hn::Abs(hn::Load(kF32, block + i)));
    const float absmax = hn::GetLane(hn::MaxOfLanes(kF32, most));
    const Vec factor = hn::Set(kF32, block_factor(absmax));
    for (int64_t i = 0; i < n; i += kLanes) {
        const Vec number = hn::Load(kF32, block + i);
        const auto bytes = hn::TruncateTo(kU8, state_codes<is_signed>(hn::Mul(number, factor), number));
        if (n - i >= kLanes) {
            hn::StoreU(bytes, kU8, codes + i);
        } else {
            alignas(16) uint8_t part[16];
            hn::StoreU(bytes, kU8, part);
            std::memcpy(codes + i, part, static_cast<size_t>(n - i));
        }
    }
    return absmax;
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
