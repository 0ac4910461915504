// Products with up to four tokens, one source for every instruction set.
//
// Split of work: rows of W, in tasks of 16. Memory traffic: every packed byte of W once; x stays in L1.
// A run of the weight is decoded in registers and multiplied with each token's x there; four sums for each token hide
// the latency of the multiply-add. The order of a sum depends on the row length and the vector length alone, so a token
// gives the same bits alone as among others.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/products/gemv.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "backends/cpu/products/decode.inl"
#include "backends/cpu/products/gemv.hpp"

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

/// Rows [first, last) of a product, added to `add` (null: to nothing).
template <class Format, int T>
void dot_rows(const Product & p, int64_t first, int64_t last, const float * add, float * c) {
    const Planes<Format> planes(p.w);
    for (int64_t row = first; row < last; ++row) {
        float y[T];
        dot_row<Format, T>(p.w, planes, row, p.a_f32(), y);
        for (int64_t t = 0, at = row; t < T; ++t, at += p.w.m) c[at] = add ? add[at] + p.scale * y[t] : p.scale * y[t];
    }
}

using DotRows = void (*)(const Product &, int64_t first, int64_t last, const float * add, float * c);

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
using DotRows = void (*)(const Product &, int64_t first, int64_t last, const float * add, float * c);
}

void gemv(Pool & pool, const ProductSum & s) {
    constexpr int64_t kRows = 16;
    if (s.rows < 1) return;
    std::array<DotRows, kMaxTerms> dot;
    for (size_t i = 0; i < s.products.size(); ++i)
        dot[i] = HWY_DYNAMIC_DISPATCH(choose_dot_rows)(s.products[i].w.dtype, s.rows);
    const int64_t m = s.products[0].w.m;
    auto * c = static_cast<float *>(s.c);
    pool.run((m + kRows - 1) / kRows, [&](int64_t task, int) {
        const float * add = s.add;
        for (size_t i = 0; i < s.products.size(); ++i, add = c)
            dot[i](s.products[i], task * kRows, std::min(m, (task + 1) * kRows), add, c);
    });
}

}  // namespace ql::cpu
#endif
