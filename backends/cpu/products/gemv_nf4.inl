// What products with few tokens do for nf4 weights alone: their scales, decoded ahead of the codes, and with 16 lanes
// nf4_dq's codes two blocks at a time. Compiled once for each instruction set; included like math.inl, by gemv.cpp.
#if defined(QL_CPU_GEMV_NF4_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_GEMV_NF4_INL
#undef QL_CPU_GEMV_NF4_INL
#else
#define QL_CPU_GEMV_NF4_INL
#endif

#include <type_traits>

#include "backends/cpu/products/decode.inl"
#include "backends/cpu/products/gemv_rows.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// Whether dot_pairs is the kernel of a format.
template <class Format>
constexpr bool takes_pairs() {
    return HWY_MAX_BYTES == 64 && std::is_same_v<Format, NF4_DQ>;
}

#if HWY_MAX_BYTES == 64
// nf4_dq with 16 lanes. 64 bytes, the codes of two blocks, are loaded as 16 words of 32 bits: shifted by 0, 4 ... 28
// bits, their lowest four are the indices of eight lookups, without a widening load for each two. x is arranged once in
// the order in which the codes then come, those of the first block in the lower half of the lanes.
//
// A pair of blocks is 31 instructions, of them 8 lookups, 7 shifts and 10 multiplications, which share four ports: 6.3
// cycles at least, 8 as it runs (64 Gweights/s at 4.2 GHz), and 1.5 more for its scales. Neither other numbers of
// chains nor rows that share x made it faster. Zen 5, one thread, Gweights/s: 288 x 2048, in L2, 54 (44 a block at a
// time); 16384 x 4096, from memory, 54 (43). nf4, whose scales are a second stream, gains in L2 (54 to 62) and loses
// from memory (54 to 43), for a reason not found: it takes its blocks one by one.
#include "backends/cpu/products/nf4_scales.inl"

constexpr int64_t kPair = 128;
constexpr int kChains = 2;

/// Numbers from a token's arranged x to the next; 0 for a type whose kernel takes x as it lies.
inline int64_t arranged_stride(ql_dtype dtype, int64_t k) {
    return dtype == NF4_DQ::id ? (k + kPair - 1) / kPair * kPair : 0;
}

/// `to` has arranged_stride() numbers, zeros where a row's last block has no neighbour.
inline void arrange(const float * x, int64_t k, float * to) {
    for (int64_t i = 0; i < k; i += kPair, to += kPair) {
        Vec a[4], b[4] = {hn::Zero(kF32), hn::Zero(kF32), hn::Zero(kF32), hn::Zero(kF32)};
        hn::LoadInterleaved4(kF32, x + i, a[0], a[1], a[2], a[3]);
        if (i + 64 < k) hn::LoadInterleaved4(kF32, x + i + 64, b[0], b[1], b[2], b[3]);
        for (int byte = 0; byte < 4; ++byte) {
            hn::StoreU(hn::ConcatLowerLower(kF32, b[byte], a[byte]), kF32, to + byte * 32);
            hn::StoreU(hn::ConcatUpperUpper(kF32, b[byte], a[byte]), kF32, to + byte * 32 + 16);
        }
    }
}

/// to[][t] += a pair of blocks times arranged x of T tokens; scale: of either in its half of the lanes.
template <int T>
HWY_INLINE void add_pair(VecU32 codes, Vec scale, const float * x, int64_t stride, Vec (&to)[kChains][T]) {
    const Vec codebook = hn::LoadU(kF32, kNF4Codebook);
    Vec dot[kChains][T];
    const auto add = [&](int i, VecU32 index) HWY_ATTR {
        const Vec v = hn::TableLookupLanes(codebook, hn::Indices512<float>{index.raw});
        HWY_UNROLL(4)
        for (int t = 0; t < T; ++t) {
            const Vec other = hn::LoadU(kF32, x + t * stride + i * 16);
            Vec & sum = dot[i % kChains][t];
            sum = i < kChains ? hn::Mul(v, other) : hn::MulAdd(v, other, sum);
        }
    };
    add(0, codes), add(1, hn::ShiftRight<4>(codes)), add(2, hn::ShiftRight<8>(codes));
    add(3, hn::ShiftRight<12>(codes)), add(4, hn::ShiftRight<16>(codes)), add(5, hn::ShiftRight<20>(codes));
    add(6, hn::ShiftRight<24>(codes)), add(7, hn::ShiftRight<28>(codes));
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) {
        HWY_UNROLL(4)
        for (int c = 0; c < kChains; ++c) to[c][t] = hn::MulAdd(dot[c][t], scale, to[c][t]);
    }
}

template <int T>
HWY_INLINE void dot_pairs(const Decoder<NF4_DQ> & decoder, int64_t first, int64_t blocks, const float * x,
                          int64_t stride, const float * scales, float (&y)[T]) {
    const auto lower = hn::FirstN(kF32, 8);
    const uint8_t * codes = decoder.block_codes(first);
    Vec sum[kChains][T];
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) {
        HWY_UNROLL(4)
        for (int c = 0; c < kChains; ++c) sum[c][t] = hn::Zero(kF32);
    }
    int64_t i = 0;
    for (; i + 2 <= blocks; i += 2, codes += 64, x += kPair) {
        __builtin_prefetch(codes + kAheadBytes);
        const VecU32 words = hn::LoadU(kU32, reinterpret_cast<const uint32_t *>(codes));
        add_pair(words, hn::IfThenElse(lower, hn::Set(kF32, scales[i]), hn::Set(kF32, scales[i + 1])), x, stride, sum);
    }
    if (i < blocks) {
        const hn::Half<TagU32> half;
        const auto words = hn::LoadU(half, reinterpret_cast<const uint32_t *>(codes));
        add_pair(hn::ZeroExtendVector(kU32, words), hn::Set(kF32, scales[i]), x, stride, sum);
    }
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) y[t] = hn::GetLane(hn::SumOfLanes(kF32, hn::Add(sum[0][t], sum[1][t])));
}
#else
/// nf4_pieces' decode: loads one by one, then the arithmetic in vectors. Decoding each scale where it is used cost a
/// third of the speed.
HWY_INLINE void decode_scales(const NF4DQLayout & at, int64_t first, int64_t count, float * out) {
    for (int64_t i = 0; i < count; ++i) hwy::CopyBytes<4>(&kDynamicMapSigned[at.absmax_codes[first + i]], out + i);
    const Vec offset = hn::Set(kF32, at.offset);
    for (int64_t i = 0; i < count;) {
        const int64_t group = (first + i) / NF4_DQ::group_blocks;
        const int64_t end = HWY_MIN(count, (group + 1) * NF4_DQ::group_blocks - first);
        const Vec most = hn::Set(kF32, at.absmax2[group]);
        for (; i + kLanes <= end; i += kLanes)
            hn::StoreU(hn::Add(hn::Mul(hn::LoadU(kF32, out + i), most), offset), kF32, out + i);
        for (; i < end; ++i) out[i] = at.absmax(first + i);
    }
}

inline int64_t arranged_stride(ql_dtype, int64_t) {
    return 0;
}
inline void arrange(const float *, int64_t, float *) {}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
