// Formats as whole numbers for products of a few tokens: gemv_coded.hpp. Compiled once for each instruction set; included
// like vec.inl.
//
// A format's Units are made for a weight:
//     kScales      scales of 64 weights: 1, 2 or 4
//     kLow         whether there are least values, as many
//     kSmall       whether numbers are from 0 to 127, less kOffset; else they have a sign
//     kFactor      what they are times too large
//     bytes(b)     of block b of 64 weights
//     scales(b, n, d, m)   of n blocks, n even unless the weight ends there; may write 16 numbers more
//     codes(b)     where the block's bytes begin, for a prefetch
#if defined(QL_CPU_CODED_UNITS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_CODED_UNITS_INL
#undef QL_CPU_CODED_UNITS_INL
#else
#define QL_CPU_CODED_UNITS_INL
#endif

#include <array>
#include <cmath>

#include "backends/cpu/products/coded_bytes.inl"
#include "backends/cpu/products/decode.inl"
#include "backends/cpu/products/gemv_coded.hpp"
#include "backends/cpu/products/gemv_nf4.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// A codebook, and the same with a bias.
struct UnitTable {
    alignas(16) uint8_t plain[16], biased[16];

    template <typename T>
    constexpr explicit UnitTable(const T (&values)[16], float factor) : plain(), biased() {
        for (int i = 0; i < 16; ++i) {
            const float x = static_cast<float>(values[i]) * factor;
            const int whole = static_cast<int>(x < 0 ? x - 0.5f : x + 0.5f);
            plain[i] = static_cast<uint8_t>(whole), biased[i] = static_cast<uint8_t>(whole + 128);
        }
    }
    template <bool kWithBias>
    HWY_INLINE const uint8_t * get() const {
        return kWithBias ? biased : plain;
    }
};
inline constexpr UnitTable kNF4Units(kNF4Codebook, kNF4Factor), kIQ4UnitTable(kIQ4Units, 1);

/// n halves, which are `stride` bytes apart, to f32.
HWY_INLINE void decode_halves(const void * first, int64_t stride, int64_t n, float * to) {
    HWY_ALIGN uint16_t halves[2 * kUnitBlocks + 16];
    const auto * at = static_cast<const uint8_t *>(first);
    for (int64_t i = 0; i < n; ++i) std::memcpy(halves + i, at + i * stride, sizeof(uint16_t));
    for (int64_t i = 0; i < n; i += kLanes)
        hn::StoreU(load_part(reinterpret_cast<const hwy::float16_t *>(halves) + i, n - i), kF32, to + i);
}

template <class Format>
struct Units;

/// Formats of blocks of 32, two to a block here.
template <class Format>
struct UnitPairs {
    static constexpr int kScales = 2;
    static constexpr float kFactor = 1;
    using Block = typename Format::Block;

    const Block * const data;
    HWY_INLINE explicit UnitPairs(const Weight & w) : data(static_cast<const Block *>(w.data)) {}
    HWY_INLINE const char * codes(int64_t b) const { return reinterpret_cast<const char *>(data + 2 * b); }
    HWY_INLINE void scales(int64_t b, int64_t n, float * d, float *) const {
        decode_halves(&data[2 * b].d, sizeof(Block), 2 * n, d);
    }
};

template <>
struct Units<Q4_0> : UnitPairs<Q4_0> {
    static constexpr bool kLow = false, kSmall = true;
    static constexpr int32_t kOffset = 8;
    HWY_INLINE explicit Units(const Weight & w) : UnitPairs(w) {}
    template <bool>
    HWY_INLINE Bytes64 bytes(int64_t b) const {
        return nibbles16(data[2 * b].q, data[2 * b + 1].q);
    }
};
template <>
struct Units<Q4_1> : UnitPairs<Q4_1> {
    static constexpr bool kLow = true, kSmall = true;
    static constexpr int32_t kOffset = 0;
    HWY_INLINE explicit Units(const Weight & w) : UnitPairs(w) {}
    template <bool>
    HWY_INLINE Bytes64 bytes(int64_t b) const {
        return nibbles16(data[2 * b].q, data[2 * b + 1].q);
    }
    HWY_INLINE void scales(int64_t b, int64_t n, float * d, float * m) const {
        decode_halves(&data[2 * b].d, sizeof(Block), 2 * n, d);
        decode_halves(&data[2 * b].m, sizeof(Block), 2 * n, m);
    }
};
template <>
struct Units<IQ4_NL> : UnitPairs<IQ4_NL> {
    static constexpr bool kLow = false, kSmall = false;
    static constexpr int32_t kOffset = 0;
    HWY_INLINE explicit Units(const Weight & w) : UnitPairs(w) {}
    template <bool kWithBias>
    HWY_INLINE Bytes64 bytes(int64_t b) const {
        return look_up(nibbles16(data[2 * b].q, data[2 * b + 1].q), kIQ4UnitTable.get<kWithBias>());
    }
};
/// Either nf4 type.
struct UnitNF4 {
    static constexpr int kScales = 1;
    static constexpr bool kLow = false, kSmall = false;
    static constexpr int32_t kOffset = 0;
    static constexpr float kFactor = kNF4Factor;

    const uint8_t * const data;
    HWY_INLINE explicit UnitNF4(const Weight & w) : data(static_cast<const uint8_t *>(w.data)) {}
    HWY_INLINE const char * codes(int64_t b) const { return reinterpret_cast<const char *>(data + 32 * b); }
    template <bool kWithBias>
    HWY_INLINE Bytes64 bytes(int64_t b) const {
        return look_up(nibbles32(data + 32 * b), kNF4Units.get<kWithBias>());
    }
};
template <>
struct Units<NF4> : UnitNF4 {
    const float * const absmax;
    HWY_INLINE explicit Units(const Weight & w) : UnitNF4(w), absmax(NF4Layout(w.data, w.elements()).absmax) {}
    HWY_INLINE void scales(int64_t b, int64_t n, float * d, float *) const {
        std::memcpy(d, absmax + b, static_cast<size_t>(n) * sizeof(float));
    }
};
template <>
struct Units<NF4_DQ> : UnitNF4 {
    const NF4DQLayout at;
    HWY_INLINE explicit Units(const Weight & w) : UnitNF4(w), at(w.data, w.elements()) {}
    HWY_INLINE void scales(int64_t b, int64_t n, float * d, float *) const { decode_scales(at, b, n, d); }
};

/// K-quants: blocks of 256, four here. A row has whole ones, but a piece of it may begin or end within.
template <class Format>
struct UnitK {
    static constexpr float kFactor = 1;
    using Block = typename Format::Block;
    static_assert(kUnitBlocks % 4 == 0);  // pieces of a row begin with a block

    const Block * const data;
    HWY_INLINE explicit UnitK(const Weight & w) : data(static_cast<const Block *>(w.data)) {}
    HWY_INLINE const char * codes(int64_t b) const {
        return reinterpret_cast<const char *>(data) + b * static_cast<int64_t>(sizeof(Block)) / 4;
    }
};

/// n bytes, with or without a sign, times a scale.
template <int n, typename T>
HWY_INLINE void scale_bytes(const T * bytes, float scale, float * to) {
    for (int j = 0; j < n; j += kLanes) {
        const auto whole = hn::PromoteTo(kI32, hn::LoadU(hn::Rebind<T, TagF32>(), bytes + j));
        hn::StoreU(hn::Mul(hn::ConvertTo(kF32, whole), hn::Set(kF32, scale)), kF32, to + j);
    }
}

/// Eight scales and least values of q4_K or q5_K: k_scales.hpp, all at once.
template <class Block>
HWY_INLINE void decode_k_scales(const Block & of, float * d, float * m) {
    [[maybe_unused]] alignas(16) uint8_t bytes[16];
    const float scale = from_half(of.d), least = -from_half(of.dmin);
#if HWY_TARGET == HWY_SCALAR
    for (int g = 0; g < 8; ++g) {
        const KScale s = k_scale(of.scales, g);
        bytes[g] = s.scale, bytes[8 + g] = s.min;
    }
#else
    alignas(16) static constexpr uint8_t kLow[16] = {0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 8, 9, 10, 11};
    alignas(16) static constexpr uint8_t kHigh[16] = {0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7};
    alignas(16) static constexpr uint32_t kShifts[4] = {0, 0, 0, 4};
    alignas(16) static constexpr uint32_t kLowBits[4] = {0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f};
    alignas(16) static constexpr uint32_t kHighBits[4] = {0, 0x30303030, 0, 0x30303030};
    const hn::FixedTag<uint8_t, 16> u8;
    const hn::FixedTag<uint32_t, 4> u32;
    const auto packed = hn::LoadU(u8, of.scales);  // and four bytes of codes
    const auto at = [&](const uint8_t * from)
                        HWY_ATTR { return hn::BitCast(u32, hn::TableLookupBytes(packed, hn::Load(u8, from))); };
    const auto low = hn::And(hn::Shr(at(kLow), hn::Load(u32, kShifts)), hn::Load(u32, kLowBits));
    const auto high = hn::And(hn::ShiftRight<2>(at(kHigh)), hn::Load(u32, kHighBits));
    const auto both = hn::BitCast(u8, hn::Or(low, high));
#if HWY_MAX_BYTES == 64  // a load of the second half would have to wait for the store of both
    const hn::Half<TagF32> half;
    const Vec factors = hn::Combine(kF32, hn::Set(half, least), hn::Set(half, scale));
    const Vec x = hn::Mul(to_float(hn::PromoteTo(kU32, both)), factors);
    hn::StoreU(hn::LowerHalf(half, x), half, d);
    hn::StoreU(hn::UpperHalf(half, x), half, m);
    return;
#else
    hn::Store(both, u8, bytes);
#endif
#endif
#if HWY_MAX_BYTES < 64
    scale_bytes<8>(bytes, scale, d);
    scale_bytes<8>(bytes + 8, least, m);
#endif
}
template <class Format>
struct UnitKLow : UnitK<Format> {
    static constexpr int kScales = 2;
    static constexpr bool kLow = true, kSmall = true;
    static constexpr int32_t kOffset = 0;
    HWY_INLINE explicit UnitKLow(const Weight & w) : UnitK<Format>(w) {}
    HWY_INLINE void scales(int64_t b, int64_t n, float * d, float * m) const {
        for (int64_t i = 0; i < n; i += 4) decode_k_scales(this->data[(b + i) >> 2], d + 2 * i, m + 2 * i);
    }
};
template <>
struct Units<Q4_K> : UnitKLow<Q4_K> {
    HWY_INLINE explicit Units(const Weight & w) : UnitKLow(w) {}
    template <bool>
    HWY_INLINE Bytes64 bytes(int64_t b) const {
        return nibbles32(data[b >> 2].q + (b & 3) * 32);
    }
};
template <>
struct Units<Q5_K> : UnitKLow<Q5_K> {
    HWY_INLINE explicit Units(const Weight & w) : UnitKLow(w) {}
    template <bool>
    HWY_INLINE Bytes64 bytes(int64_t b) const {
        const auto & of = data[b >> 2];
        return with_high(nibbles32(of.low + (b & 3) * 32), bits32<1>(of.high, static_cast<int>((b & 3) * 2), 1));
    }
};
template <>
struct Units<Q6_K> : UnitK<Q6_K> {
    static constexpr int kScales = 4;
    static constexpr bool kLow = false, kSmall = true;
    static constexpr int32_t kOffset = 32;
    HWY_INLINE explicit Units(const Weight & w) : UnitK(w) {}
    template <bool>
    HWY_INLINE Bytes64 bytes(int64_t b) const {
        const auto & of = data[b >> 2];
        const uint8_t * low = of.low + (b >> 1 & 1) * 64;
        const Bytes64 x = load_bytes64(low, low + 32);
        const Bytes64 four = (b & 1) ? shifted_four<4>(x) : shifted_four<0>(x);
        return with_high(four, bits32<2>(of.high + (b >> 1 & 1) * 32, static_cast<int>((b & 1) * 4), 2));
    }
    HWY_INLINE void scales(int64_t b, int64_t n, float * d, float *) const {
        for (int64_t i = 0; i < n; i += 4) {
            const auto & of = data[(b + i) >> 2];
            scale_bytes<16>(of.scales, from_half(of.d), d + 4 * i);
        }
    }
};

template <class Format>
constexpr bool kHasUnits = requires {
    sizeof(Units<Format>);
};

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
