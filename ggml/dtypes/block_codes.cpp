// Split: none, a block after the other. Each operation is rounded by itself and maxima have no order, so the bits are the
// same for any width of vectors.
#include "ggml/dtypes/block_codes.hpp"

#include "ggml/dtypes/codebook.hpp"
#include "ggml/dtypes/half.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ggml/dtypes/block_codes.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ggml/dtypes/lanes.inl"

HWY_BEFORE_NAMESPACE();
namespace ql {
namespace HWY_NAMESPACE {
HWY_INLINE IntVec magnitude_bits(const float * x) {
    return hn::And(hn::BitCast(kInts, hn::LoadU(kTag, x)), hn::Set(kInts, 0x7fffffff));
}

/// As max_magnitude_bits (block_format.hpp).
template <int N>
HWY_INLINE uint32_t most_bits(const float * x) {
    IntVec most = magnitude_bits(x);
    for (int j = kWidth; j < N; j += kWidth) most = hn::Max(most, magnitude_bits(x + j));
    return static_cast<uint32_t>(hn::GetLane(hn::MaxOfLanes(kInts, most)));
}

/// Byte j gets low(j) | high(j) << 4 for the codes of kWidth weights from j on.
template <int N, class Codes>
HWY_INLINE void store_nibbles(uint8_t * to, Codes codes_at) {
    for (int j = 0; j < N; j += kWidth)
        hn::StoreU(hn::DemoteTo(kBytes, hn::Or(codes_at(j), hn::ShiftLeft<4>(codes_at(j + N)))), kBytes, to + j);
}

/// How many of N ascending thresholds, a power of two less one, v lies above.
template <int N>
HWY_INLINE IntVec count_below(Vec v, const float (&thresholds)[N]) {
    IntVec n = hn::Zero(kInts);
    if constexpr (kWidth == 16) {  // a table of all is one vector: bit after bit, the highest first
        alignas(64) float table[16] = {};
        for (int i = 0; i < N; ++i) table[i + 1] = thresholds[i];
        const Vec all = hn::Load(kTag, table);
        HWY_UNROLL(4)
        for (int bit = (N + 1) / 2; bit > 0; bit /= 2) {
            const IntVec next = hn::Or(n, hn::Set(kInts, bit));
            const Vec threshold = hn::TableLookupLanes(all, hn::IndicesFromVec(kTag, next));
            n = hn::IfThenElse(hn::RebindMask(kInts, hn::Gt(v, threshold)), next, n);
        }
    } else {
        for (const float threshold : thresholds)
            n = hn::Sub(n, hn::BitCast(kInts, hn::VecFromMask(kTag, hn::Gt(v, hn::Set(kTag, threshold)))));
    }
    return n;
}

/// Codes of v in [-1, 1].
struct NF4Codes {
    HWY_INLINE static IntVec of(Vec v) { return count_below(v, kNF4Thresholds); }
};

/// As fp4_code_of_order, and the sign of v; what lies above no threshold has one where it is above 0.
struct FP4Codes {
    HWY_INLINE static IntVec of(Vec v) {
        const IntVec order = count_below(hn::Abs(v), kFP4Thresholds), zero = hn::Zero(kInts);
        const IntVec even = hn::And(order, hn::Set(kInts, 6)), odd = hn::And(order, hn::Set(kInts, 1));
        const auto has_sign = hn::Xor(hn::Gt(hn::BitCast(kInts, v), zero), hn::Gt(order, zero));
        return hn::Or(hn::And(hn::Sub(odd, even), hn::Set(kInts, 7)), hn::IfThenElseZero(has_sign, hn::Set(kInts, 8)));
    }
};

template <class Codes>
void two_plane_codes(const float * x, float inverse, uint8_t * codes) {
    const Vec factor = hn::Set(kTag, inverse);
    store_nibbles<NF4::block_code_bytes>(
        codes, [&](int j) HWY_ATTR { return Codes::of(hn::Mul(hn::LoadU(kTag, x + j), factor)); });
}

template <class Codes>
HWY_INLINE int64_t two_planes(const float * src, int64_t blocks, uint8_t * codes, float * absmax) {
    constexpr float kLeast = 1e-38f;  // keeps the reciprocal finite
    for (int64_t b = 0; b < blocks; ++b, src += NF4::block_length) {
        const uint32_t most = most_bits<NF4::block_length>(src);
        if (most >= kInfBits) return b;
        absmax[b] = std::bit_cast<float>(most);
        two_plane_codes<Codes>(src, 1.0f / (absmax[b] > kLeast ? absmax[b] : kLeast),
                               codes + b * NF4::block_code_bytes);
    }
    return blocks;
}

void one_nf4(const float * x, float inverse, uint8_t * codes) {
    two_plane_codes<NF4Codes>(x, inverse, codes);
}
int64_t all_nf4(const float * src, int64_t blocks, uint8_t * codes, float * absmax) {
    return two_planes<NF4Codes>(src, blocks, codes, absmax);
}
int64_t all_fp4(const float * src, int64_t blocks, uint8_t * codes, float * absmax) {
    return two_planes<FP4Codes>(src, blocks, codes, absmax);
}

/// The first of a block's weights whose magnitude is the largest; -8 of its steps.
HWY_INLINE float first_with(const float * x, uint32_t most) {
    const IntVec wanted = hn::Set(kInts, static_cast<int32_t>(most));
    for (int j = 0;; j += kWidth)
        if (const auto at = hn::FindFirstTrue(kInts, hn::Eq(magnitude_bits(x + j), wanted)); at >= 0) return x[j + at];
}

int64_t all_q4_0(const float * src, int64_t blocks, Q4_0::Block * to) {
    for (int64_t b = 0; b < blocks; ++b, src += Q4_0::block_length) {
        const uint32_t most = most_bits<Q4_0::block_length>(src);
        if (most >= kInfBits) return b;
        const float d = (most == 0 ? 0.0f : first_with(src, most)) / -8;
        to[b].d = f32_to_f16(d);
        if ((to[b].d & 0x7fff) == 0x7c00) return b;
        const float inverse = 1 / d;
        const Vec id = hn::Set(kTag, std::fabs(inverse) <= std::numeric_limits<float>::max() ? inverse : 0);
        store_nibbles<16>(to[b].q, [&](int j) HWY_ATTR {
            const Vec v = hn::Add(hn::Mul(hn::LoadU(kTag, src + j), id), hn::Set(kTag, 8.5f));
            return hn::Min(hn::ConvertTo(kInts, v), hn::Set(kInts, 15));
        });
    }
    return blocks;
}

int64_t all_q8_0(const float * src, int64_t blocks, Q8_0::Block * to) {
    constexpr hn::Rebind<int8_t, decltype(kTag)> i8;
    const IntVec one = hn::Set(kInts, 1);
    for (int64_t b = 0; b < blocks; ++b, src += Q8_0::block_length) {
        const uint32_t most = most_bits<Q8_0::block_length>(src);
        if (most >= kInfBits) return b;
        const float d = std::bit_cast<float>(most) / 127;
        to[b].d = f32_to_f16(d);
        if (to[b].d == 0x7c00) return b;
        const float inverse = 1 / d;  // infinite for 0 and for d so small that its f16 is 0: then any code decodes to 0
        const Vec id = hn::Set(kTag, inverse <= std::numeric_limits<float>::max() ? inverse : 0);
        for (int j = 0; j < Q8_0::block_length; j += kWidth) {
            const Vec v = hn::Mul(hn::LoadU(kTag, src + j), id);  // |v| <= 127.00001
            const IntVec whole = hn::ConvertTo(kInts, v);         // towards zero, and the distance to it is exact
            const Vec rest = hn::Sub(v, hn::ConvertTo(kTag, whole));
            const auto above = hn::RebindMask(kInts, hn::Ge(rest, hn::Set(kTag, 0.5f)));
            const auto below = hn::RebindMask(kInts, hn::Le(rest, hn::Set(kTag, -0.5f)));
            const IntVec q = hn::Sub(hn::Add(whole, hn::IfThenElseZero(above, one)), hn::IfThenElseZero(below, one));
            hn::StoreU(hn::DemoteTo(i8, q), i8, to[b].q + j);
        }
    }
    return blocks;
}

}  // namespace HWY_NAMESPACE
}  // namespace ql
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql {
HWY_EXPORT(all_nf4);
HWY_EXPORT(one_nf4);
HWY_EXPORT(all_fp4);
HWY_EXPORT(all_q4_0);
HWY_EXPORT(all_q8_0);

int64_t encode_nf4_blocks(const float * src, int64_t blocks, uint8_t * codes, float * absmax) {
    return HWY_DYNAMIC_DISPATCH(all_nf4)(src, blocks, codes, absmax);
}
void encode_nf4_codes(const float * x, float inverse, uint8_t * codes) {
    HWY_DYNAMIC_DISPATCH(one_nf4)(x, inverse, codes);
}
int64_t encode_fp4_blocks(const float * src, int64_t blocks, uint8_t * codes, float * absmax) {
    return HWY_DYNAMIC_DISPATCH(all_fp4)(src, blocks, codes, absmax);
}
int64_t encode_q4_0_blocks(const float * src, int64_t blocks, Q4_0::Block * to) {
    return HWY_DYNAMIC_DISPATCH(all_q4_0)(src, blocks, to);
}
int64_t encode_q8_0_blocks(const float * src, int64_t blocks, Q8_0::Block * to) {
    return HWY_DYNAMIC_DISPATCH(all_q8_0)(src, blocks, to);
}

}  // namespace ql
#endif
