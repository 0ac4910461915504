// y = w (x - mean(x)) / sqrt(var(x) + eps) + b.
// Split: rows, about kPiece elements a task. Works in place. Traffic: a read and a write; the mean, the variance of
// what is left, and the result are three passes over a row, of which two find it in L1 (up to n = 8192). y may be bf16.
#include <cmath>

#include "backends/cpu/stream.hpp"
#include "ggml/ops/params.hpp"

#ifndef QL_CPU_LAYER_NORM_ONCE
#define QL_CPU_LAYER_NORM_ONCE
namespace ql::cpu {
struct LayerNormJob {
    const float *x, *w, *b;  // w and b null: 1 and 0
    StreamOut y;
    int64_t n;
    float eps;
};
}  // namespace ql::cpu
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/layer_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/ops/row_sums.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

HWY_INLINE float sum_of_squares(const float * x, Vec mean, int64_t n) {
    Vec s0 = hn::Zero(kF32), s1 = s0;
    int64_t i = 0;
    for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
        const Vec a = hn::Sub(hn::LoadU(kF32, x + i), mean), b = hn::Sub(hn::LoadU(kF32, x + i + kLanes), mean);
        s0 = hn::MulAdd(a, a, s0);
        s1 = hn::MulAdd(b, b, s1);
    }
    float rest = 0;
    for (const float m = hn::GetLane(mean); i < n; ++i) rest += (x[i] - m) * (x[i] - m);
    return sum_of(hn::Add(s0, s1)) + rest;
}

template <typename Y>
HWY_INLINE void norm_row(const LayerNormJob & job, const float * x, Y * y) {
    const int64_t n = job.n;
    const auto size = static_cast<float>(n);
    const Vec mean = hn::Set(kF32, row_sum(x, n) / size), one = hn::Set(kF32, 1.0f), zero = hn::Zero(kF32);
    const Vec factor = hn::Set(kF32, 1 / std::sqrt(sum_of_squares(x, mean, n) / size + job.eps));
    for (int64_t i = 0; i < n; i += kLanes) {
        const Vec w = job.w ? load_part(job.w + i, n - i) : one, b = job.b ? load_part(job.b + i, n - i) : zero;
        const Vec u = hn::Mul(hn::Sub(load_part(x + i, n - i), mean), factor);
        store_part(hn::MulAdd(u, w, b), y + i, n - i);
    }
}

void layer_norm_rows(const LayerNormJob & job, int64_t first, int64_t last) {
    with_type(job.y, [&](auto * y) {
        for (int64_t row = first; row < last; ++row) norm_row(job, job.x + row * job.n, y + row * job.n);
    });
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(layer_norm_rows);

Status launch_layer_norm(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(layer_norm_rows);
    const LayerNormJob job{l.x(0),        l.has(1) ? l.x(1) : nullptr,    l.has(2) ? l.x(2) : nullptr, stream_out(l, 0),
                           l.in(0).ne(0), l.params<LayerNormParams>().eps};
    split_rows(device_of(l).pool, l.in(0).shape.rows(), job.n,
               [&](int64_t first, int64_t last) { run(job, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::layer_norm = {.launch = launch_layer_norm, .writes_bf16 = takes_any};

}  // namespace ql::cpu
#endif
