// Products with up to four tokens, one source for every instruction set; those of nf4 in bf16 are in gemv_bf16.cpp.
//
// Split of work: rows of W, in tasks of about 16 KB. Memory traffic: every packed byte of W once; x stays in L1.
// A run of the weight is decoded in registers and multiplied with each token's x there. Where values are a scale times
// a unit, units are multiplied and the sum of a run is scaled. The order of a sum depends on the row length and the
// vector length alone, so a token gives the same bits alone as among others.
//
// Rows go one after the other: one stream is what processors prefetch, and four side by side read at half the speed.
// Even so, products that decode much fall short of the bandwidth, as few lines are then under way at once (at 12
// instructions for 32 bytes, out-of-order execution looks 1 KB ahead); a prefetch far ahead helps: Zen 5, one thread,
// AVX-512, 262144 x 576, GB/s at 0.5 / 1 / 2 / 4 / 8 KB ahead: q8_0 17 / 26 / 27 / 33 / 35. Xeon with AMX, two threads,
// SmolLM2-135M in q4_1, without / with it: 41 / 80 tokens/s.
//
// In AVX2 decoding nf4 is the limit: 64 weights take 25 shuffles, and with the rest 13 cycles of Zen 3's ports and 25
// of Skylake's, which has one port for shuffles (llvm-mca of the loop); Zen 5 takes 13, which is 20 Gweights/s of
// nf4 and, with decoding the scales, 19 of nf4_dq. Two chains of sums changed nothing.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/products/gemv.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <type_traits>

#include "backends/cpu/products/decode.inl"
#include "backends/cpu/products/gemv_nf4.inl"
#include "backends/cpu/products/gemv.hpp"
#include "backends/cpu/products/gemv_coded.hpp"
#include "backends/cpu/products/gemv_rows.hpp"
#include "backends/cpu/scratch.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

constexpr int kSums = 4;

/// What is left of a row of an unblocked format after its last run.
template <class Format>
HWY_NOINLINE float tail_dot(const Weight & w, int64_t first, int64_t count, const float * x) {
    float values[Decoder<Format>::kRun], sum = 0;
    Format::decode(w.data, w.elements(), first, count, values);
    for (int64_t i = 0; i < count; ++i) sum += values[i] * x[i];
    return sum;
}

/// y[t] = row . x[t] for T tokens.
template <class Format, int T>
HWY_INLINE void dot_row(const Weight & w, const Decoder<Format> & decoder, int64_t row, const float * x,
                        float (&y)[T]) {
    constexpr int64_t run = Decoder<Format>::kRun, run_bytes = Decoder<Format>::kRunBytes;
    static_assert(Format::block_length == 1 || Format::block_length % run == 0);  // rows of blocks end with a run
    const int64_t k = w.k, first = row * k;
    const char * ahead = static_cast<const char *>(w.data) + first / run * run_bytes + kAheadBytes;
    Vec sum[T][kSums];
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) {
        HWY_UNROLL(4)
        for (int s = 0; s < kSums; ++s) sum[t][s] = hn::Zero(kF32);
    }
    int64_t i = 0;
    for (; i + run <= k; i += run, ahead += run_bytes) {
        for (int64_t line = 0; line < run_bytes; line += 64) __builtin_prefetch(ahead + line);
        decoder.decode(first + i, [&](int j, Vec v) HWY_ATTR {
            const int s = j / kLanes % kSums;
            HWY_UNROLL(4)
            for (int t = 0; t < T; ++t) sum[t][s] = hn::MulAdd(v, hn::LoadU(kF32, x + t * k + i + j), sum[t][s]);
        });
    }
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) {
        const Vec all = hn::Add(hn::Add(sum[t][0], sum[t][1]), hn::Add(sum[t][2], sum[t][3]));
        y[t] = hn::GetLane(hn::SumOfLanes(kF32, all));
        if constexpr (Format::block_length == 1)
            if (i < k) y[t] += tail_dot<Format>(w, first + i, k - i, x + t * k + i);
    }
}

/// y[t] = the dot product of `runs` runs from `first` on with T tokens; scale(i) is that of the i-th. For formats with
/// units.
template <class D, int T, class Scale>
HWY_INLINE void dot_units(const D & decoder, int64_t first, int64_t runs, const float * x, int64_t k,
                          const Scale & scale, float (&y)[T]) {
    Vec sum[T];
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) sum[t] = hn::Zero(kF32);
    for (int64_t i = 0; i < runs; ++i) {
        __builtin_prefetch(decoder.codes(first + i) + kAheadBytes);
        Vec of_run[T];
        HWY_UNROLL(4)
        for (int t = 0; t < T; ++t) of_run[t] = hn::Zero(kF32);
        decoder.units(first + i, [&](int j, Vec v) HWY_ATTR {
            HWY_UNROLL(4)
            for (int t = 0; t < T; ++t) {
                const Vec other = hn::LoadU(kF32, x + t * k + i * D::kRun + j);
                of_run[t] = j == 0 ? hn::Mul(v, other) : hn::MulAdd(v, other, of_run[t]);
            }
        });
        const Vec factor = hn::Set(kF32, scale(i));
        HWY_UNROLL(4)
        for (int t = 0; t < T; ++t) sum[t] = hn::MulAdd(of_run[t], factor, sum[t]);
    }
    HWY_UNROLL(4)
    for (int t = 0; t < T; ++t) y[t] = hn::GetLane(hn::SumOfLanes(kF32, sum[t]));
}

/// Rows [first, last) of an nf4 weight.
template <class Format, int T>
HWY_INLINE void dot_nf4_rows(const Product & p, const float * x, int64_t first, int64_t last, const float * add,
                             float * c) {
    const Decoder<Format> decoder(p.w);
    nf4_pieces(
        p.w, first, last, add, c, decode_scales,
        [&](int64_t row, int64_t end, int64_t block, int64_t blocks, const float * scales, const float * to) HWY_ATTR {
            for (; row < end; ++row, scales += blocks) {
                float y[1][T];
                const int64_t at = row * (p.w.k / 64) + block;
                const float * from = x + block * 64;
                if constexpr (takes_pairs<Format>())
                    dot_pairs(decoder, at, blocks, from, arranged_stride(Format::id, p.w.k), scales, y[0]);
                else
                    dot_units(
                        decoder, at, blocks, from, p.w.k, [&](int64_t i) HWY_ATTR { return scales[i]; }, y[0]);
                store_dots(p, row, y, to, c);
            }
        });
}

template <class Format, int T>
void dot_rows(const Product & p, const void * operand, int64_t first, int64_t last, const float * add, float * c) {
    const auto * x = static_cast<const float *>(operand);
    if constexpr (kLanes == 1 && T > 1) {  // no vectors: not worth three more kernels a format
        for (int64_t t = 0, at = 0; t < T; ++t, at += p.w.m)
            dot_rows<Format, 1>(p, x + t * p.w.k, first, last, add ? add + at : nullptr, c + at);
    } else if constexpr (HasScalesApart<Decoder<Format>>) {
        dot_nf4_rows<Format, T>(p, x, first, last, add, c);
    } else {
        const Decoder<Format> decoder(p.w);
        for (int64_t row = first; row < last; ++row) {
            float y[1][T];
            if constexpr (HasUnits<Decoder<Format>>) {
                const int64_t runs = p.w.k / Decoder<Format>::kRun;
                dot_units(
                    decoder, row * runs, runs, x, p.w.k,
                    [&](int64_t i) HWY_ATTR { return decoder.scale(row * runs + i); }, y[0]);
            } else {
                dot_row(p.w, decoder, row, x, y[0]);
            }
            store_dots(p, row, y, add, c);
        }
    }
}

/// Whole numbers, which are no weights, have no kernel.
template <class Format>
constexpr bool kIsWeight = !std::is_same_v<Format, I8> && !std::is_same_v<Format, I32>;

DotRows choose_dot_rows(ql_dtype dtype, int64_t tokens) {
    return visit(dtype, [&](auto format) -> DotRows {
        using Format = decltype(format);
        if constexpr (kIsWeight<Format>) {
            constexpr DotRows by_tokens[] = {dot_rows<Format, 1>, dot_rows<Format, 2>, dot_rows<Format, 3>,
                                             dot_rows<Format, 4>};
            return by_tokens[tokens - 1];
        }
        return nullptr;
    });
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
HWY_EXPORT(choose_dot_rows);
HWY_EXPORT(arranged_stride);
HWY_EXPORT(arrange);

namespace {

/// Rows of a task: about 16 KB of the largest weight, whole groups of four.
int64_t rows_of_task(const ProductSum & s) {
    size_t row = 1;
    for (const Product & p : s.products)
        row = std::max(row, ql_dtype_bytes(p.w.dtype, p.w.elements()) / static_cast<size_t>(p.w.m));
    return std::clamp<int64_t>(static_cast<int64_t>((size_t{16} << 10) / row) / 4 * 4, 4, 64);
}

/// Rows of a task that does something else with them before, in vectors along the result: at most 16 lanes.
int64_t whole_vectors(int64_t rows) {
    return std::max<int64_t>(rows / 16 * 16, 16);
}

/// The kernel of a product, and room for its operand where that is taken in another form.
struct DotPlan {
    DotRows dot;
    int32_t offset = 0;            // of a kernel of integers
    CodedFours * coded = nullptr;  // its operand
    uint16_t * rounded = nullptr;  // in bf16
    float * arranged = nullptr;    // in another order

    DotPlan(Carver & carve, const CpuDevice & cpu, const Product & p, int64_t tokens)
        : dot(cpu.bf16 && tokens > 0 ? cpu.bf16->dot_rows(p.w.dtype, tokens) : nullptr) {
        const CodedDots integers = dot ? CodedDots{} : coded_dots(cpu, p.w, tokens);
        if (integers.rows) {
            dot = integers.rows, offset = integers.offset;
            coded = carve.take<CodedFours>(p.w.k / kFourBlock * tokens);
        } else if (dot) {
            rounded = carve.take<uint16_t>(bf16_stride(p.w.k) * tokens);
        } else if (const int64_t stride = HWY_DYNAMIC_DISPATCH(arranged_stride)(p.w.dtype, p.w.k); stride > 0) {
            arranged = carve.take<float>(stride * tokens);
        }
    }
};

const float * arranged_rows(const Product & p, int64_t tokens, float * to) {
    const int64_t stride = HWY_DYNAMIC_DISPATCH(arranged_stride)(p.w.dtype, p.w.k);
    for (int64_t t = 0; t < tokens; ++t) HWY_DYNAMIC_DISPATCH(arrange)(p.a_f32() + t * p.w.k, p.w.k, to + t * stride);
    return to;
}

/// A product ready to be computed, rows by rows.
struct DotTask {
    DotRows dot;
    const void * x;
};
DotTask prepare(CpuDevice & cpu, const Product & p, int64_t tokens, Carver & carve) {
    const DotPlan plan(carve, cpu, p, tokens);
    if (plan.coded) {
        code_fours(p.a_f32(), p.w.k, tokens, plan.offset, plan.coded);
        return {plan.dot, plan.coded};
    }
    if (plan.rounded) {
        cpu.bf16->round_rows(cpu.pool, p.a_f32(), p.w.k, tokens, plan.rounded);
        return {plan.dot, plan.rounded};
    }
    const DotRows dot = HWY_DYNAMIC_DISPATCH(choose_dot_rows)(p.w.dtype, tokens);
    return {dot, plan.arranged ? arranged_rows(p, tokens, plan.arranged) : p.a};
}

}  // namespace

size_t gemv_scratch(const ProductSum & s, const CpuDevice & cpu) {
    Carver count;
    for (const Product & p : s.products) DotPlan(count, cpu, p, s.rows);
    return count.used();
}

void gemv(CpuDevice & cpu, const ProductSum & s, std::byte * scratch) {
    gemv(cpu, s, scratch, {});
}

void gemv(CpuDevice & cpu, const ProductSum & s, std::byte * scratch, const RowsBefore & before) {
    if (s.rows < 1 || s.products[0].w.m < 1) return;
    Carver carve(scratch);
    std::array<DotTask, kMaxTerms> tasks;
    for (size_t i = 0; i < s.products.size(); ++i) tasks[i] = prepare(cpu, s.products[i], s.rows, carve);
    auto * c = static_cast<float *>(s.c);
    const int64_t m = s.products[0].w.m, rows = before.call ? whole_vectors(rows_of_task(s)) : rows_of_task(s);
    cpu.pool.run((m + rows - 1) / rows, [&](int64_t task, int) {
        const int64_t first = task * rows, last = std::min(m, first + rows);
        const float * add = s.add;
        if (before.call) before.call(before.context, first, last);
        for (size_t i = 0; i < s.products.size(); ++i, add = c)
            tasks[i].dot(s.products[i], tasks[i].x, first, last, add, c);
    });
}

DotRows dot_rows_of_one(ql_dtype dtype) {
    return HWY_DYNAMIC_DISPATCH(choose_dot_rows)(dtype, 1);
}

}  // namespace ql::cpu
#endif
