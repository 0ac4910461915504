// Blocks of 64 weights as bytes, and sums of four products of bytes. Compiled once for each instruction set; included like
// vec.inl.
//
// Products of bytes: vpdpbusd where there is VNNI in 512 bits, sdot where NEON has it. vpmaddubsw adds up two products in
// 16 bits with saturation, and takes one operand without a sign: of codes up to 127, two products with a byte up to 128
// are 32,512 at most. So it gets the magnitude of a weight's number, which is at most 128, and the other operand its sign.
#if defined(QL_CPU_CODED_BYTES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_CODED_BYTES_INL
#undef QL_CPU_CODED_BYTES_INL
#else
#define QL_CPU_CODED_BYTES_INL
#endif

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

using VecI32 = hn::Vec<TagI32>;

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
constexpr bool kHasBytes = true;         // else what follows stands in scalars
constexpr int kRegisters = 16 / kLanes;  // of 64 bytes
using TagBytes = hn::Repartition<uint8_t, TagF32>;
using TagSigned = hn::Repartition<int8_t, TagF32>;
using TagHalves = hn::Repartition<uint16_t, TagF32>;
using TagWords = hn::Repartition<uint64_t, TagF32>;
using VecBytes = hn::Vec<TagBytes>;
constexpr TagBytes kBytes;
constexpr TagSigned kSigned;

/// Made by its list or as a copy: a constructor that the compiler writes is not of the instruction set.
struct Bytes64 {
    VecBytes v[kRegisters];
};

/// f of each register.
template <class F>
HWY_INLINE Bytes64 each_register(const Bytes64 & x, const F & f) {
    Bytes64 y = x;
    HWY_UNROLL(4)
    for (int i = 0; i < kRegisters; ++i) y.v[i] = f(x.v[i]);
    return y;
}
template <int n>
HWY_INLINE VecBytes shift_halves(VecBytes x) {
    return hn::BitCast(kBytes, hn::ShiftRight<n>(hn::BitCast(TagHalves(), x)));
}
HWY_INLINE VecBytes low_four(VecBytes x) {
    return hn::And(x, hn::Set(kBytes, 15));
}

/// 32 bytes, then 32 others.
HWY_INLINE Bytes64 load_bytes64(const uint8_t * a, const uint8_t * b) {
#if HWY_TARGET == HWY_AVX3
    const hn::Half<TagBytes> half;
    return {{hn::Combine(kBytes, hn::LoadU(half, b), hn::LoadU(half, a))}};
#elif HWY_TARGET == HWY_AVX2
    return {{hn::LoadU(kBytes, a), hn::LoadU(kBytes, b)}};
#else
    return {{hn::LoadU(kBytes, a), hn::LoadU(kBytes, a + 16), hn::LoadU(kBytes, b), hn::LoadU(kBytes, b + 16)}};
#endif
}
/// Of 32 bytes the low halves, then the high ones.
HWY_INLINE Bytes64 nibbles32(const uint8_t * a) {
#if HWY_TARGET == HWY_AVX3
    const hn::Half<TagBytes> half;
    const hn::Half<TagHalves> half16;
    const auto low = hn::LoadU(half, a);
    const auto high = hn::BitCast(half, hn::ShiftRight<4>(hn::BitCast(half16, low)));
    return {{low_four(hn::Combine(kBytes, high, low))}};
#elif HWY_TARGET == HWY_AVX2
    const VecBytes x = hn::LoadU(kBytes, a);
    return {{low_four(x), low_four(shift_halves<4>(x))}};
#else
    const VecBytes x = hn::LoadU(kBytes, a), y = hn::LoadU(kBytes, a + 16);
    return {{low_four(x), low_four(y), low_four(shift_halves<4>(x)), low_four(shift_halves<4>(y))}};
#endif
}
/// Of 16 bytes the low halves, then the high ones; then of 16 others.
HWY_INLINE Bytes64 nibbles16(const uint8_t * a, const uint8_t * b) {
#if HWY_TARGET == HWY_NEON
    const VecBytes x = hn::LoadU(kBytes, a), y = hn::LoadU(kBytes, b);
    return {{low_four(x), low_four(shift_halves<4>(x)), low_four(y), low_four(shift_halves<4>(y))}};
#else
    alignas(64) static constexpr uint64_t kShifts[8] = {0, 0, 4, 4, 0, 0, 4, 4};
    const auto split = [](VecBytes x) HWY_ATTR {
        return low_four(hn::BitCast(kBytes, hn::Shr(hn::BitCast(TagWords(), x), hn::Load(TagWords(), kShifts))));
    };
#if HWY_TARGET == HWY_AVX3
    const hn::Half<TagBytes> half;
    return {{split(hn::Combine(kBytes, hn::LoadDup128(half, b), hn::LoadDup128(half, a)))}};
#else
    return {{split(hn::LoadDup128(kBytes, a)), split(hn::LoadDup128(kBytes, b))}};
#endif
#endif
}
/// Bits i and i + 1 of 32 bytes, then i + `step` and i + step + 1; n of these, 1 or 2.
template <int n>
HWY_INLINE Bytes64 bits32(const uint8_t * a, int i, int step) {
    const Bytes64 x = load_bytes64(a, a);
    Bytes64 y = x;
#if HWY_TARGET == HWY_AVX3
    const hn::Half<TagHalves> half16;
    const auto shifts = hn::Combine(TagHalves(), hn::Set(half16, static_cast<uint16_t>(i + step)),
                                    hn::Set(half16, static_cast<uint16_t>(i)));
    y.v[0] = hn::BitCast(kBytes, hn::Shr(hn::BitCast(TagHalves(), x.v[0]), shifts));
#else
    for (int r = 0; r < kRegisters; ++r) {
        const int shift = r < kRegisters / 2 ? i : i + step;
        y.v[r] = hn::BitCast(kBytes, hn::ShiftRightSame(hn::BitCast(TagHalves(), x.v[r]), shift));
    }
#endif
    return each_register(y, [](VecBytes v) HWY_ATTR { return hn::And(v, hn::Set(kBytes, (1 << n) - 1)); });
}
/// low | high << 4.
HWY_INLINE Bytes64 with_high(const Bytes64 & low, const Bytes64 & high) {
    Bytes64 y = low;
    HWY_UNROLL(4)
    for (int i = 0; i < kRegisters; ++i)
        y.v[i] = hn::Or(low.v[i], hn::BitCast(kBytes, hn::ShiftLeft<4>(hn::BitCast(TagHalves(), high.v[i]))));
    return y;
}
template <int shift>
HWY_INLINE Bytes64 shifted_four(const Bytes64 & x) {
    return each_register(x, [](VecBytes v) HWY_ATTR { return low_four(shift_halves<shift>(v)); });
}
HWY_INLINE Bytes64 look_up(const Bytes64 & x, const uint8_t * table) {
    const VecBytes of = hn::LoadDup128(kBytes, table);
    return each_register(x, [&](VecBytes v) HWY_ATTR { return hn::TableLookupBytes(of, v); });
}

/// What multiplies: kInstruction is the set's instruction for sums of four products, kBiased whether it takes one operand
/// without a sign.
template <bool kInstruction>
constexpr bool kBiased = kInstruction && HWY_TARGET == HWY_AVX3;

/// sum += of each four bytes w x. kSmall: w is from 0 to 127. w is biased by 128 where kBiased and not kSmall.
template <bool kInstruction, bool kSmall>
HWY_INLINE VecI32 add_fours(VecI32 sum, VecBytes w, hn::Vec<TagSigned> x) {
#if HWY_TARGET == HWY_AVX3
    if constexpr (kInstruction) {
        __asm__("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(w.raw), "v"(x.raw));
        return sum;
    } else {
        __m512i magnitude = w.raw, other = x.raw;
        if constexpr (!kSmall) {
            magnitude = _mm512_abs_epi8(w.raw);
            other = _mm512_mask_sub_epi8(other, _mm512_movepi8_mask(w.raw), _mm512_setzero_si512(), other);
        }
        const __m512i pairs = _mm512_maddubs_epi16(magnitude, other);
        return {_mm512_add_epi32(sum.raw, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))};
    }
#elif HWY_TARGET == HWY_AVX2
    const __m256i magnitude = kSmall ? w.raw : _mm256_abs_epi8(w.raw);
    const __m256i other = kSmall ? x.raw : _mm256_sign_epi8(x.raw, w.raw);
    const __m256i pairs = _mm256_maddubs_epi16(magnitude, other);
    return VecI32{_mm256_add_epi32(sum.raw, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))};
#else
    const int8x16_t a = vreinterpretq_s8_u8(w.raw);
    if constexpr (kInstruction) {
        __asm__(".arch armv8.2-a+dotprod\n\tsdot %0.4s, %1.16b, %2.16b" : "+w"(sum.raw) : "w"(a), "w"(x.raw));
        return sum;
    } else {
        const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(x.raw));
        const int16x8_t high = vmull_s8(vget_high_s8(a), vget_high_s8(x.raw));
        return VecI32(vaddq_s32(sum.raw, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high))));
    }
#endif
}

#else
constexpr bool kHasBytes = false;

struct Bytes64 {
    uint8_t v[64];
};

HWY_INLINE Bytes64 load_bytes64(const uint8_t * a, const uint8_t * b) {
    Bytes64 y;
    std::memcpy(y.v, a, 32), std::memcpy(y.v + 32, b, 32);
    return y;
}
HWY_INLINE Bytes64 nibbles32(const uint8_t * a) {
    Bytes64 y;
    for (int i = 0; i < 32; ++i) y.v[i] = a[i] & 15, y.v[32 + i] = a[i] >> 4;
    return y;
}
HWY_INLINE Bytes64 nibbles16(const uint8_t * a, const uint8_t * b) {
    Bytes64 y;
    for (int i = 0; i < 16; ++i) {
        y.v[i] = a[i] & 15, y.v[16 + i] = a[i] >> 4;
        y.v[32 + i] = b[i] & 15, y.v[48 + i] = b[i] >> 4;
    }
    return y;
}
template <int n>
HWY_INLINE Bytes64 bits32(const uint8_t * a, int i, int step) {
    constexpr int mask = (1 << n) - 1;
    Bytes64 y;
    for (int j = 0; j < 32; ++j) {
        y.v[j] = static_cast<uint8_t>(a[j] >> i & mask);
        y.v[32 + j] = static_cast<uint8_t>(a[j] >> (i + step) & mask);
    }
    return y;
}
HWY_INLINE Bytes64 with_high(const Bytes64 & low, const Bytes64 & high) {
    Bytes64 y;
    for (int i = 0; i < 64; ++i) y.v[i] = static_cast<uint8_t>(low.v[i] | high.v[i] << 4);
    return y;
}
template <int shift>
HWY_INLINE Bytes64 shifted_four(const Bytes64 & x) {
    Bytes64 y;
    for (int i = 0; i < 64; ++i) y.v[i] = x.v[i] >> shift & 15;
    return y;
}
HWY_INLINE Bytes64 look_up(const Bytes64 & x, const uint8_t * table) {
    Bytes64 y;
    for (int i = 0; i < 64; ++i) y.v[i] = table[x.v[i]];
    return y;
}
template <bool kInstruction>
constexpr bool kBiased = false;
#endif

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
