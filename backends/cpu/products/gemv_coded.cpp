// Products of up to four tokens in whole numbers, one source for every instruction set: gemv_coded.hpp says what is
// computed, coded_bytes.inl how.
//
// Split of work and memory traffic: gemv.cpp, which calls these kernels. A block of 64 weights is unpacked to bytes, and
// multiplied with each token's: of q4_0 with VNNI 11 vector instructions, where f32 takes 22.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/products/gemv_coded.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "backends/cpu/products/coded.hpp"
#include "backends/cpu/products/coded_blocks.inl"
#include "backends/cpu/products/coded_bytes.inl"
#include "backends/cpu/products/coded_units.inl"
#include "backends/cpu/products/gemv_coded.hpp"
#include "backends/cpu/products/gemv_rows.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
/// n scales of a block's 16 lanes: those of register v.
template <int n>
HWY_INLINE Vec spread(const float * at, [[maybe_unused]] int v) {
    if constexpr (n == 1) return hn::Set(kF32, at[0]);
    if constexpr (kLanes == 4) return hn::Set(kF32, at[v * n / kRegisters]);
    if constexpr (kLanes == 8 && n == 2) return hn::Set(kF32, at[v]);
#if HWY_TARGET != HWY_NEON
    alignas(64) static constexpr int32_t kHalves[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
    alignas(64) static constexpr int32_t kQuarters[16] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    const auto lanes = hn::SetTableIndices(kF32, n == 2 ? kHalves : kQuarters);
    return hn::TableLookupLanes(hn::LoadDup128(kF32, at + (kLanes == 8 ? 2 * v : 0)), lanes);
#endif
}

/// Lanes l and l + 8, then l + 4, l + 2, l + 1.
HWY_INLINE float sum_lanes(const Vec (&v)[kRegisters]) {
#if HWY_TARGET == HWY_AVX3
    const hn::Half<TagF32> half;
    const hn::Half<decltype(half)> quarter;
    const auto eight = hn::Add(hn::LowerHalf(half, v[0]), hn::UpperHalf(half, v[0]));
    const auto four = hn::Add(hn::LowerHalf(quarter, eight), hn::UpperHalf(quarter, eight));
#elif HWY_TARGET == HWY_AVX2
    const hn::Half<TagF32> quarter;
    const Vec eight = hn::Add(v[0], v[1]);
    const auto four = hn::Add(hn::LowerHalf(quarter, eight), hn::UpperHalf(quarter, eight));
#else
    const Vec four = hn::Add(hn::Add(v[0], v[2]), hn::Add(v[1], v[3]));
#endif
    const auto two = hn::Add(four, hn::Shuffle1032(four));
    return hn::GetLane(hn::Add(two, hn::Shuffle2301(two)));
}

template <int T>
struct LaneSums {
    Vec at[T][kRegisters];

    HWY_INLINE LaneSums() {
        HWY_UNROLL(4)
        for (int t = 0; t < T; ++t) {
            HWY_UNROLL(4)
            for (int v = 0; v < kRegisters; ++v) at[t][v] = hn::Zero(kF32);
        }
    }
    HWY_INLINE float sum(int t) const { return sum_lanes(at[t]); }
    /// A block of weights times that of each token, which are `stride` blocks apart.
    template <class U, bool kInstruction>
    HWY_INLINE void add(const Bytes64 & bytes, const float * d, const float * m, const CodedFours * x, int64_t stride) {
        constexpr bool starts = U::kOffset != 0 || (kBiased<kInstruction> && !U::kSmall);
        HWY_UNROLL(4)
        for (int v = 0; v < kRegisters; ++v) {
            const Vec scale = spread<U::kScales>(d, v);
            HWY_UNROLL(4)
            for (int t = 0; t < T; ++t) {
                const CodedFours & of = x[t * stride];
                const VecI32 from = starts ? hn::Load(kI32, of.starts + v * kLanes) : hn::Zero(kI32);
                const VecI32 whole =
                    add_fours<kInstruction, U::kSmall>(from, bytes.v[v], hn::Load(kSigned, of.codes + v * kLanes * 4));
                const Vec both = hn::Mul(scale, hn::Load(kF32, of.scales + v * kLanes));
                at[t][v] = hn::Add(at[t][v], hn::Mul(hn::ConvertTo(kF32, whole), both));
                if constexpr (U::kLow)
                    at[t][v] =
                        hn::Add(at[t][v], hn::Mul(spread<U::kScales>(m, v), hn::Load(kF32, of.sums + v * kLanes)));
            }
        }
    }
};
#else
template <int T>
struct LaneSums {
    float at[T][kFours] = {};

    float sum(int t) const {
        float s[kFours];
        std::copy(at[t], at[t] + kFours, s);
        for (int h = 8; h > 0; h /= 2)
            for (int l = 0; l < h; ++l) s[l] += s[l + h];
        return s[0];
    }
    template <class U, bool>
    void add(const Bytes64 & bytes, const float * d, const float * m, const CodedFours * x, int64_t stride) {
        for (int t = 0; t < T; ++t) {
            const CodedFours & of = x[t * stride];
            for (int l = 0; l < kFours; ++l) {
                int32_t whole = U::kOffset ? of.starts[l] : 0;
                for (int i = 4 * l; i < 4 * l + 4; ++i)
                    whole += (U::kSmall ? bytes.v[i] : static_cast<int8_t>(bytes.v[i])) * of.codes[i];
                at[t][l] += static_cast<float>(whole) * (d[l * U::kScales / kFours] * of.scales[l]);
                if (U::kLow) at[t][l] += m[l * U::kScales / kFours] * of.sums[l];
            }
        }
    }
};
#endif

/// Rows [first, last), of `blocks` blocks each, whose scales fit, times T tokens.
template <class Format, bool kInstruction, int T>
HWY_INLINE void dot_piece(const Product & p, const Units<Format> & units, int64_t first, int64_t last, int64_t blocks,
                          const CodedFours * x, const float * d, const float * m, const float * add, float * c) {
    using U = Units<Format>;
    constexpr int64_t block_bytes = static_cast<int64_t>(Format::bytes(kUnitBlocks * kFourBlock)) / kUnitBlocks;
    for (int64_t row = first, b = first * blocks; row < last; ++row) {
        LaneSums<T> sums;
        for (int64_t i = 0; i < blocks; ++i, ++b, d += U::kScales, m += U::kScales) {
            const char * ahead = units.codes(b) + kAheadBytes;
            for (int64_t line = 0; line < block_bytes; line += 64) __builtin_prefetch(ahead + line);
            sums.template add<U, kInstruction>(units.template bytes<kBiased<kInstruction>>(b), d, m, x + i, blocks);
        }
        float y[1][T];
        for (int t = 0; t < T; ++t) y[0][t] = U::kFactor == 1 ? sums.sum(t) : sums.sum(t) * (1 / U::kFactor);
        store_dots(p, row, y, add, c);
    }
}

template <class Format, bool kInstruction, int T>
void dot_rows_coded(const Product & p, const void * operand, int64_t first, int64_t last, const float * add,
                    float * c) {
    using U = Units<Format>;
    const U units(p.w);
    const int64_t blocks = p.w.k / kFourBlock, rows = std::max<int64_t>(1, kUnitBlocks / 4 / blocks);
    HWY_ALIGN float d[kUnitBlocks * U::kScales + 16], m[U::kLow ? kUnitBlocks * U::kScales + 16 : 1];
    for (int64_t row = first; row < last; row += rows) {
        const int64_t end = std::min(last, row + rows);
        units.scales(row * blocks, (end - row) * blocks, d, m);
        dot_piece<Format, kInstruction, T>(p, units, row, end, blocks, static_cast<const CodedFours *>(operand), d, m,
                                           add, c);
    }
}

template <class Format, bool kInstruction>
CodedDots coded_dots_of(int64_t tokens) {
    constexpr DotRows by_tokens[] = {dot_rows_coded<Format, kInstruction, 1>, dot_rows_coded<Format, kInstruction, 2>,
                                     dot_rows_coded<Format, kInstruction, 3>, dot_rows_coded<Format, kInstruction, 4>};
    using U = Units<Format>;
    return {by_tokens[tokens - 1], U::kSmall ? U::kOffset : kBiased<kInstruction> ? kByteBias : 0};
}

CodedDots choose_coded_dots(ql_dtype dtype, int64_t tokens, bool instruction) {
    return visit(dtype, [&](auto format) -> CodedDots {
        using Format = decltype(format);
        if constexpr (kHasUnits<Format>) {
            if (kHasBytes && HWY_TARGET != HWY_AVX2 && instruction) return coded_dots_of<Format, true>(tokens);
            return coded_dots_of<Format, false>(tokens);
        }
        return {};
    });
}

/// The largest magnitude of each four lanes, in all of them.
HWY_INLINE VecI32 largest_of_fours(VecI32 x) {
#if HWY_TARGET != HWY_SCALAR
    x = hn::Max(x, hn::Shuffle2301(x));
    x = hn::Max(x, hn::Shuffle1032(x));
#endif
    return x;
}

void code_fours_of(const float * x, int64_t blocks, int32_t offset, CodedFours * to) {
    constexpr int kStep = kLanes < 4 ? 4 : kLanes;
    for (int64_t b = 0; b < blocks; ++b, ++to) {
        for (int i = 0; i < kFourBlock; i += kStep) {
            const float * at = x + b * kFourBlock + i;
            VecI32 largest = hn::Zero(kI32);
            for (int j = 0; j < kStep; j += kLanes) largest = hn::Max(largest, magnitude_bits(hn::LoadU(kF32, at + j)));
            const BlockScales s = block_scales(kInt8, largest_of_fours(largest));
            HWY_ALIGN float scales[kStep];
            HWY_ALIGN int32_t codes[kStep];
            hn::Store(s.scale, kF32, scales);
            for (int j = 0; j < kStep; j += kLanes) {
                const auto counts = hn::Gt(s.inverse, hn::Zero(kF32));
                const Vec whole = hn::IfThenElseZero(counts, hn::Mul(hn::LoadU(kF32, at + j), s.inverse));
                hn::Store(hn::BitCast(kI32, hn::Add(whole, hn::Set(kF32, kRounder))), kI32, codes + j);
            }
            for (int j = 0; j < kStep; ++j) to->codes[i + j] = static_cast<int8_t>(codes[j]);
            for (int j = 0; j < kStep; j += 4) to->scales[(i + j) / 4] = scales[j];
        }
        for (int l = 0; l < kFours; ++l) {
            const int8_t * four = to->codes + 4 * l;
            const int32_t sum = four[0] + four[1] + four[2] + four[3];
            to->starts[l] = -offset * sum;
            to->sums[l] = static_cast<float>(sum) * to->scales[l];
        }
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
HWY_EXPORT(choose_coded_dots);
HWY_EXPORT(code_fours_of);

CodedDots coded_dots(const CpuDevice & cpu, const Weight & w, int64_t tokens) {
    if (cpu.coding != &kInt8 || w.k % kFourBlock != 0 || w.k > kUnitBlocks * kFourBlock || tokens < 1) return {};
    return HWY_DYNAMIC_DISPATCH(choose_coded_dots)(w.dtype, tokens, vnni_kernels(cpu.isa) != nullptr);
}

void code_fours(const float * x, int64_t k, int64_t tokens, int32_t offset, CodedFours * to) {
    HWY_DYNAMIC_DISPATCH(code_fours_of)(x, tokens * (k / kFourBlock), offset, to);
}

}  // namespace ql::cpu
#endif
