// Products with up to four tokens, one source for every instruction set; those of nf4 in bf16 are in gemv_bf16.cpp.
//
// Split of work: rows of W, in tasks of about 16 KB. Memory traffic: every packed byte of W once; x stays in L1.
// A run of the weight is decoded in registers and multiplied with each token's x there. Where values are a scale times
// a unit, units are multiplied and the sum of a run is scaled. The order of a sum depends on the row length and the
// vector length alone, so a token gives the same bits alone as among others.
//
// Rows go one after the other: one stream is what processors prefetch, and four side by side read at half the speed.
// Even so they fall short of the bandwidth where much is to be decoded, as few lines are then under way at once (at 12
// instructions for 32 bytes, out-of-order execution looks 1 KB ahead); a prefetch far ahead helps: Zen 5, one thread,
// AVX-512, 262144 x 576, GB/s at 0.5 / 1 / 2 / 4 / 8 KB ahead: q8_0 17 / 26 / 27 / 33 / 35.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/products/gemv.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "backends/cpu/products/decode.inl"
#include "backends/cpu/products/gemv.hpp"
#include "backends/cpu/products/gemv_rows.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

constexpr int kSums = 4;

/// What is left of a row of an unblocked format after its last run.
template <class Format>
float tail_dot(const Weight & w, int64_t first, int64_t count, const float * x) {
    float values[kRun<Format>], sum = 0;
    Format::decode(w.data, w.elements(), first, count, values);
    for (int64_t i = 0; i < count; ++i) sum += values[i] * x[i];
    return sum;
}

/// y[t] = row . x[t] for T tokens.
template <class Format, int T>
HWY_INLINE void dot_row(const Weight & w, const Planes<Format> & planes, int64_t row, const float * x, float (&y)[T]) {
    const DF d;
    constexpr int64_t run = kRun<Format>;
    const int64_t k = w.k, first = row * k;
    VF sum[T][kSums];
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) {
        HWY_UNROLL(4)
        for (int s = 0; s < kSums; ++s) sum[t][s] = hn::Zero(d);
    }
    int64_t i = 0;
    for (; i + run <= k; i += run)
        decode_run<Format>(planes, first + i, [&](int j, VF v) HWY_ATTR {
            const int s = j / kLanes % kSums;
            HWY_UNROLL(4)
            for (int t = 0; t < T; ++t) sum[t][s] = hn::MulAdd(v, hn::LoadU(d, x + t * k + i + j), sum[t][s]);
        });
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) {
        const VF all = hn::Add(hn::Add(sum[t][0], sum[t][1]), hn::Add(sum[t][2], sum[t][3]));
        y[t] = hn::GetLane(hn::SumOfLanes(d, all));
        if (i < k) y[t] += tail_dot<Format>(w, first + i, k - i, x + t * k + i);
    }
}

/// y[t] = the dot product of `runs` runs from `first` on with T tokens; scale(i) is that of the i-th. For formats with
/// units.
template <class Format, int T, class Scale>
HWY_INLINE void dot_units(const Planes<Format> & planes, int64_t first, int64_t runs, const float * x, int64_t k,
                          const Scale & scale, float (&y)[T]) {
    const DF d;
    VF sum[T];
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) sum[t] = hn::Zero(d);
    for (int64_t i = 0; i < runs; ++i) {
        __builtin_prefetch(codes_of(planes, first + i) + kAheadBytes);
        VF dot[T];
        HWY_UNROLL(4)
        for (int t = 0; t < T; ++t) dot[t] = hn::Zero(d);
        decode_units(planes, first + i, [&](int j, VF v) HWY_ATTR {
            HWY_UNROLL(4)
            for (int t = 0; t < T; ++t) {
                const VF other = hn::LoadU(d, x + t * k + i * kRun<Format> + j);
                dot[t] = j == 0 ? hn::Mul(v, other) : hn::MulAdd(v, other, dot[t]);
            }
        });
        const VF factor = hn::Set(d, scale(i));
        HWY_UNROLL(4)
        for (int t = 0; t < T; ++t) sum[t] = hn::MulAdd(dot[t], factor, sum[t]);
    }
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) y[t] = hn::GetLane(hn::SumOfLanes(d, sum[t]));
}

/// nf4_pieces' decode: loads one by one, then the arithmetic in vectors. A scale at a time where it is used cost a
/// third of the speed.
HWY_INLINE void decode_scales(const NF4DQLayout & at, int64_t first, int64_t count, float * out) {
    const DF d;
    for (int64_t i = 0; i < count; ++i) hwy::CopyBytes<4>(&kDynamicMapSigned[at.absmax_codes[first + i]], out + i);
    const VF offset = hn::Set(d, at.offset);
    for (int64_t i = 0; i < count;) {
        const int64_t group = (first + i) / NF4_DQ::group_blocks;
        const int64_t end = HWY_MIN(count, (group + 1) * NF4_DQ::group_blocks - first);
        const VF most = hn::Set(d, at.absmax2[group]);
        for (; i + kLanes <= end; i += kLanes)
            hn::StoreU(hn::Add(hn::Mul(hn::LoadU(d, out + i), most), offset), d, out + i);
        for (; i < end; ++i) out[i] = at.absmax(first + i);
    }
}

/// Rows [first, last) of an nf4 weight.
template <class Format, int T>
HWY_INLINE void dot_nf4_rows(const Product & p, const float * x, int64_t first, int64_t last, const float * add,
                             float * c) {
    const Planes<Format> planes(p.w);
    nf4_pieces(p.w, first, last, add, c, decode_scales,
               [&](int64_t row, int64_t end, int64_t block, int64_t blocks, const float * scales, const float * to)
                   HWY_ATTR {
                       for (; row < end; ++row, scales += blocks) {
                           float y[1][T];
                           dot_units<Format>(
                               planes, row * (p.w.k / 64) + block, blocks, x + block * 64, p.w.k,
                               [&](int64_t i) HWY_ATTR { return scales[i]; }, y[0]);
                           store_dots(p, row, y, to, c);
                       }
                   });
}

template <class Format, int T>
void dot_rows(const Product & p, const void * operand, int64_t first, int64_t last, const float * add, float * c) {
    const auto * x = static_cast<const float *>(operand);
    if constexpr (kIsNF4<Format>) return dot_nf4_rows<Format, T>(p, x, first, last, add, c);
    const Planes<Format> planes(p.w);
    for (int64_t row = first; row < last; ++row) {
        float y[1][T];
        if constexpr (kHasUnits<Format>) {
            const int64_t runs = p.w.k / kRun<Format>;
            dot_units<Format>(
                planes, row * runs, runs, x, p.w.k,
                [&](int64_t i) HWY_ATTR { return scale_of(planes, row * runs + i); }, y[0]);
        } else {
            dot_row<Format, T>(p.w, planes, row, x, y[0]);
        }
        store_dots(p, row, y, add, c);
    }
}

DotRows choose_dot_rows(ql_dtype dtype, int64_t tokens) {
    return visit(dtype, [&](auto format) -> DotRows {
        using Format = decltype(format);
        constexpr DotRows by_tokens[] = {dot_rows<Format, 1>, dot_rows<Format, 2>, dot_rows<Format, 3>,
                                         dot_rows<Format, 4>};
        return by_tokens[tokens - 1];
    });
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
HWY_EXPORT(choose_dot_rows);

namespace {

DotRows bf16_kernel(const CpuDevice & cpu, const Product & p, int64_t tokens) {
    return cpu.bf16 && tokens > 0 ? nf4_dot_rows_bf16(p.w.dtype, tokens) : nullptr;
}

/// Rows of a task: about 16 KB of the largest weight, whole groups of four.
int64_t rows_of_task(const ProductSum & s) {
    size_t row = 1;
    for (const Product & p : s.products)
        row = std::max(row, ql_dtype_bytes(p.w.dtype, p.w.elements()) / static_cast<size_t>(p.w.m));
    return std::clamp<int64_t>(static_cast<int64_t>((size_t{16} << 10) / row) / 4 * 4, 4, 64);
}

}  // namespace

size_t gemv_scratch(const ProductSum & s, const CpuDevice & cpu) {
    size_t bytes = 0;
    for (const Product & p : s.products)
        if (bf16_kernel(cpu, p, s.rows)) bytes += bf16_rows_bytes(p.w.k, s.rows);
    return bytes;
}

void gemv(CpuDevice & cpu, const ProductSum & s, std::byte * scratch) {
    if (s.rows < 1 || s.products[0].w.m < 1) return;
    struct Task {
        DotRows dot;
        const void * x;
    };
    std::array<Task, kMaxTerms> tasks;
    for (size_t i = 0; i < s.products.size(); ++i) {
        const Product & p = s.products[i];
        tasks[i] = {bf16_kernel(cpu, p, s.rows), p.a};
        if (!tasks[i].dot) {
            tasks[i].dot = HWY_DYNAMIC_DISPATCH(choose_dot_rows)(p.w.dtype, s.rows);
            continue;
        }
        auto * rounded = reinterpret_cast<uint16_t *>(scratch);
        scratch += bf16_rows_bytes(p.w.k, s.rows);
        round_rows(cpu.pool, p.a_f32(), p.w.k, s.rows, rounded);
        tasks[i].x = rounded;
    }
    auto * c = static_cast<float *>(s.c);
    const int64_t m = s.products[0].w.m, rows = rows_of_task(s);
    cpu.pool.run((m + rows - 1) / rows, [&](int64_t task, int) {
        const int64_t first = task * rows, last = std::min(m, first + rows);
        const float * add = s.add;
        for (size_t i = 0; i < s.products.size(); ++i, add = c)
            tasks[i].dot(s.products[i], tasks[i].x, first, last, add, c);
    });
}

}  // namespace ql::cpu
#endif
