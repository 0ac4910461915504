// The formats' decoders in vectors, one source for every instruction set. The values are those of ggml/dtypes, bit for
// bit: every operation there is rounded by itself, and so it is here.
//
// A run is 64 elements (nf4, nf4_dq and the unblocked types) or 32 (all others) from a multiple of its length:
//     decode_run<Format>(planes, first, emit) calls emit(offset, vector) for each vector of the run, offsets in [0,
//     run).
// What happens to a vector - stored, or multiplied at once - is the caller's: see decode.cpp and gemv.cpp.
#if defined(QL_CPU_DECODE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_DECODE_INL
#undef QL_CPU_DECODE_INL
#else
#define QL_CPU_DECODE_INL
#endif

#include <hwy/highway.h>

#include <bit>
#include <type_traits>

#include "backends/cpu/products/weight.hpp"
#include "ggml/dtypes/k_scales.hpp"
#include "ggml/dtypes/visit.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::CappedTag<float, 16>;
using VF = hn::Vec<DF>;
using DU = hn::RebindToUnsigned<DF>;
using VU = hn::Vec<DU>;
constexpr int kLanes = HWY_LANES(float) > 16 ? 16 : HWY_LANES(float);

template <class Format>
constexpr bool kIsNF4 = std::is_same_v<Format, NF4> || std::is_same_v<Format, NF4_DQ>;
template <class Format>
constexpr int kRun = Format::block_length == 1 || kIsNF4<Format> ? 64 : 32;

/// What of a weight is found once for all its runs.
template <class Format>
struct Planes {
    const Weight & w;
    HWY_INLINE explicit Planes(const Weight & weight) : w(weight) {}
    HWY_INLINE const auto & block(int64_t first) const {
        return static_cast<const typename Format::Block *>(w.data)[first / Format::block_length];
    }
};
template <>
struct Planes<NF4> {
    const NF4Layout at;
    HWY_INLINE explicit Planes(const Weight & w) : at(w.data, w.elements()) {}
};
template <>
struct Planes<NF4_DQ> {
    const NF4DQLayout at;
    HWY_INLINE explicit Planes(const Weight & w) : at(w.data, w.elements()) {}
};

/// A block's scale, by the processor's own conversion where it has one.
HWY_INLINE float from_half(uint16_t bits) {
    const hn::CappedTag<float, 1> d;
    hwy::float16_t half;
    hwy::CopyBytes<sizeof(half)>(&bits, &half);
    return hn::GetLane(hn::PromoteTo(d, hn::LoadU(hn::Rebind<hwy::float16_t, decltype(d)>(), &half)));
}

HWY_INLINE VU load_bytes(const uint8_t * p) {
    return hn::PromoteTo(DU(), hn::LoadU(hn::Rebind<uint8_t, DF>(), p));
}
HWY_INLINE VF to_float(VU small) {
    return hn::ConvertTo(DF(), hn::BitCast(hn::RebindToSigned<DF>(), small));
}

/// The values that 32 bytes of NF4's codes stand for, of a codebook that may have been multiplied by a scale. No index
/// is masked: permutes look at the lowest bits alone. Highway says so of each of its targets' tables, not in general.
#if HWY_MAX_BYTES == 64
template <class Emit>
HWY_INLINE void decode_nf4_codes(const uint8_t * codes, VF codebook, const Emit & emit) {
    const auto look_up = [&](VU index)
                             HWY_ATTR { return hn::TableLookupLanes(codebook, hn::Indices512<float>{index.raw}); };
    for (int j = 0; j < 32; j += kLanes) {
        const VU bytes = load_bytes(codes + j);
        emit(j, look_up(bytes));
        emit(j + 32, look_up(hn::ShiftRight<4>(bytes)));
    }
}
template <class Emit>
HWY_INLINE void decode_nf4_units(const uint8_t * codes, const Emit & emit) {
    decode_nf4_codes(codes, hn::LoadU(DF(), kNF4Codebook), emit);
}
template <class Emit>
HWY_INLINE void decode_nf4_block(const uint8_t * codes, float absmax, const Emit & emit) {
    decode_nf4_codes(codes, hn::Mul(hn::LoadU(DF(), kNF4Codebook), hn::Set(DF(), absmax)), emit);
}
#else
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_NEON
// A lookup of bytes takes 16 or 32 codes at once: the four bytes of each value are looked up apart, and interleaved. It
// is a third of the work of lookups of floats, whose tables have half the codebook each.
using DB = hn::Repartition<uint8_t, DF>;
using VB = hn::Vec<DB>;

struct CodebookBytes {
    alignas(16) uint8_t at[4][16];
    constexpr CodebookBytes() : at() {
        for (int i = 0; i < 16; ++i)
            for (int byte = 0; byte < 4; ++byte)
                at[byte][i] = static_cast<uint8_t>(std::bit_cast<uint32_t>(kNF4Codebook[i]) >> 8 * byte);
    }
};
inline constexpr CodebookBytes kCodebookBytes;

/// The bytes of a vector in the order in which interleaving within each half of it makes them consecutive.
HWY_INLINE VB split_halves(VB bytes) {
#if HWY_TARGET == HWY_AVX2
    alignas(32) static constexpr int32_t kOrder[8] = {0, 2, 4, 6, 1, 3, 5, 7};
    return hn::BitCast(DB(), hn::TableLookupLanes(hn::BitCast(DU(), bytes), hn::SetTableIndices(DU(), kOrder)));
#else
    return bytes;
#endif
}

template <class Emit>
HWY_INLINE void look_up_nf4(VB codes, int first, const Emit & emit) {
    const DB d;
    const hn::RepartitionToWide<DB> d16;
    const auto look_up = [&](int byte) HWY_ATTR {
        return hn::TableLookupBytes(hn::LoadDup128(d, kCodebookBytes.at[byte]), codes);
    };
    const VB byte0 = look_up(0), byte1 = look_up(1), byte2 = look_up(2), byte3 = look_up(3);
    const auto low0 = hn::BitCast(d16, hn::InterleaveLower(d, byte0, byte1));
    const auto low1 = hn::BitCast(d16, hn::InterleaveUpper(d, byte0, byte1));
    const auto high0 = hn::BitCast(d16, hn::InterleaveLower(d, byte2, byte3));
    const auto high1 = hn::BitCast(d16, hn::InterleaveUpper(d, byte2, byte3));
    emit(first, hn::BitCast(DF(), hn::InterleaveLower(d16, low0, high0)));
    emit(first + kLanes, hn::BitCast(DF(), hn::InterleaveUpper(d16, low0, high0)));
    emit(first + 2 * kLanes, hn::BitCast(DF(), hn::InterleaveLower(d16, low1, high1)));
    emit(first + 3 * kLanes, hn::BitCast(DF(), hn::InterleaveUpper(d16, low1, high1)));
}

template <class Emit>
HWY_INLINE void decode_nf4_units(const uint8_t * codes, const Emit & emit) {
    for (int j = 0; j < 32; j += 4 * kLanes) {
        const VB bytes = split_halves(hn::LoadU(DB(), codes + j));
        look_up_nf4(hn::And(bytes, hn::Set(DB(), 15)), j, emit);
        look_up_nf4(hn::ShiftRight<4>(bytes), j + 32, emit);
    }
}
#else
template <class Emit>
HWY_INLINE void decode_nf4_units(const uint8_t * codes, const Emit & emit) {
    const auto look_up = [](VU index) HWY_ATTR {
        return hn::GatherIndex(DF(), kNF4Codebook, hn::BitCast(hn::RebindToSigned<DF>(), index));
    };
    for (int j = 0; j < 32; j += kLanes) {
        const VU bytes = load_bytes(codes + j);
        emit(j, look_up(hn::And(bytes, hn::Set(DU(), 15))));
        emit(j + 32, look_up(hn::ShiftRight<4>(bytes)));
    }
}
#endif
template <class Emit>
HWY_INLINE void decode_nf4_block(const uint8_t * codes, float absmax, const Emit & emit) {
    const VF scale = hn::Set(DF(), absmax);
    decode_nf4_units(codes, [&](int j, VF v) HWY_ATTR { emit(j, hn::Mul(v, scale)); });
}
#endif

/// 16 bytes of codes, element j in the low and j + 16 in the high half of byte j, each given to f (as code, offset).
template <class Emit, class F>
HWY_INLINE void decode_nibbles(const uint8_t * codes, const Emit & emit, const F & f) {
    for (int j = 0; j < 16; j += kLanes) {
        const VU bytes = load_bytes(codes + j);
        emit(j, f(to_float(hn::And(bytes, hn::Set(DU(), 15)))));
        emit(j + 16, f(to_float(hn::ShiftRight<4>(bytes))));
    }
}

/// The formats whose values are a scale times a unit, and have one scale for a run.
template <class Format>
constexpr bool kHasUnits = kIsNF4<Format> || std::is_same_v<Format, Q8_0> || std::is_same_v<Format, Q4_0>;

template <class Format, class Emit>
HWY_INLINE void decode_units(const Planes<Format> & planes, int64_t run, const Emit & emit) {
    const DF d;
    if constexpr (kIsNF4<Format>) {
        decode_nf4_units(planes.at.codes + run * 32, emit);
    } else if constexpr (std::is_same_v<Format, Q8_0>) {
        const auto & block = planes.block(run * 32);
        for (int j = 0; j < 32; j += kLanes) {
            const auto q = hn::PromoteTo(hn::RebindToSigned<DF>(), hn::LoadU(hn::Rebind<int8_t, DF>(), block.q + j));
            emit(j, hn::ConvertTo(d, q));
        }
    } else {
        const VF eight = hn::Set(d, 8.0f);
        decode_nibbles(planes.block(run * 32).q, emit, [&](VF q) HWY_ATTR { return hn::Sub(q, eight); });
    }
}

/// Where a run's bytes begin, if for a prefetch alone.
template <class Format>
HWY_INLINE const char * codes_of(const Planes<Format> & planes, int64_t run) {
    if constexpr (kIsNF4<Format>)
        return reinterpret_cast<const char *>(planes.at.codes + run * 32);
    else
        return reinterpret_cast<const char *>(&planes.block(run * kRun<Format>));
}

template <class Format>
HWY_INLINE float scale_of(const Planes<Format> & planes, int64_t run) {
    if constexpr (std::is_same_v<Format, NF4>)
        return planes.at.absmax[run];
    else if constexpr (std::is_same_v<Format, NF4_DQ>)
        return planes.at.absmax(run);
    else
        return from_half(planes.block(run * 32).d);
}

template <class Format, class Emit>
HWY_INLINE void decode_run(const Planes<Format> & planes, int64_t first, const Emit & emit) {
    const DF d;
    if constexpr (std::is_same_v<Format, F32>) {
        const float * p = &planes.block(first);
        for (int j = 0; j < 64; j += kLanes) emit(j, hn::LoadU(d, p + j));
    } else if constexpr (std::is_same_v<Format, F16>) {
        const auto * p = reinterpret_cast<const hwy::float16_t *>(&planes.block(first));
        for (int j = 0; j < 64; j += kLanes)
            emit(j, hn::PromoteTo(d, hn::LoadU(hn::Rebind<hwy::float16_t, DF>(), p + j)));
    } else if constexpr (std::is_same_v<Format, BF16>) {
        const auto * p = reinterpret_cast<const hwy::bfloat16_t *>(&planes.block(first));
        for (int j = 0; j < 64; j += kLanes)
            emit(j, hn::PromoteTo(d, hn::LoadU(hn::Rebind<hwy::bfloat16_t, DF>(), p + j)));
    } else if constexpr (kIsNF4<Format>) {
        decode_nf4_block(planes.at.codes + first / 2, scale_of(planes, first / 64), emit);
    } else if constexpr (kHasUnits<Format>) {
        const VF scale = hn::Set(d, scale_of(planes, first / 32));
        decode_units(planes, first / 32, [&](int j, VF unit) HWY_ATTR { emit(j, hn::Mul(scale, unit)); });
    } else if constexpr (std::is_same_v<Format, Q4_1>) {
        const auto & block = planes.block(first);
        const VF scale = hn::Set(d, from_half(block.d)), low = hn::Set(d, from_half(block.m));
        decode_nibbles(block.q, emit, [&](VF q) HWY_ATTR { return hn::Add(hn::Mul(scale, q), low); });
    } else if constexpr (std::is_same_v<Format, Q4_K>) {
        const auto & block = planes.block(first);
        const int group = static_cast<int>(first / 32 % 8), shift = group % 2 * 4;
        const KScale s = k_scale(block.scales, group);
        const VF scale = hn::Set(d, from_half(block.d) * static_cast<float>(s.scale));
        const VF low = hn::Set(d, from_half(block.dmin) * static_cast<float>(s.min));
        for (int j = 0; j < 32; j += kLanes) {
            const VU bytes = load_bytes(block.q + group / 2 * 32 + j);
            const VU q = hn::And(hn::ShiftRightSame(bytes, shift), hn::Set(DU(), 15));
            emit(j, hn::Sub(hn::Mul(scale, to_float(q)), low));
        }
    } else if constexpr (std::is_same_v<Format, Q5_K>) {
        const auto & block = planes.block(first);
        const int group = static_cast<int>(first / 32 % 8), shift = group % 2 * 4;
        const KScale s = k_scale(block.scales, group);
        const VF scale = hn::Set(d, from_half(block.d) * static_cast<float>(s.scale));
        const VF low = hn::Set(d, from_half(block.dmin) * static_cast<float>(s.min));
        for (int j = 0; j < 32; j += kLanes) {
            const VU four =
                hn::And(hn::ShiftRightSame(load_bytes(block.low + group / 2 * 32 + j), shift), hn::Set(DU(), 15));
            const VU fifth = hn::And(hn::ShiftRightSame(load_bytes(block.high + j), group), hn::Set(DU(), 1));
            emit(j, hn::Sub(hn::Mul(scale, to_float(hn::Or(four, hn::ShiftLeft<4>(fifth)))), low));
        }
    } else if constexpr (std::is_same_v<Format, Q6_K>) {
        const auto & block = planes.block(first);
        const int run = static_cast<int>(first / 32 % 8), half = run / 4, quarter = run % 4;
        const float scale = from_half(block.d);
        for (int j = 0; j < 32; j += kLanes) {
            const VU low = load_bytes(block.low + half * 64 + quarter % 2 * 32 + j);
            const VU high = load_bytes(block.high + half * 32 + j);
            const VU four = hn::And(hn::ShiftRightSame(low, quarter / 2 * 4), hn::Set(DU(), 15));
            const VU two = hn::And(hn::ShiftRightSame(high, quarter * 2), hn::Set(DU(), 3));
            const VF q = hn::Sub(to_float(hn::Or(four, hn::ShiftLeft<4>(two))), hn::Set(d, 32.0f));
            emit(j, hn::Mul(hn::Set(d, scale * static_cast<float>(block.scales[run * 2 + j / 16])), q));
        }
    } else {  // q5_0, q5_1, i8, i32: rare, through the scalar decoder
        HWY_ALIGN float buffer[kRun<Format>];
        Format::decode(planes.w.data, planes.w.elements(), first, kRun<Format>, buffer);
        for (int j = 0; j < kRun<Format>; j += kLanes) emit(j, hn::Load(d, buffer + j));
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
