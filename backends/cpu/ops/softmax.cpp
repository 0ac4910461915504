// y[i, ...] = exp(x[i, ...] - m) / sum_j exp(x[j, ...] - m), m the row's largest.
// Split: rows, about kPiece / 4 elements a task: an exponential costs as much as several streamed numbers. Works in
// place. Traffic: a read and a write; the second and the third look at a row find it in L1 (up to n = 8192).
#include <cmath>

#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/softmax.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/math.inl"
#include "backends/cpu/ops/row_sums.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// NaN is passed over: it comes back by way of its own exponential.
HWY_INLINE float row_max(const float * x, int64_t n) {
    const Vec least = hn::Set(kF32, -INFINITY);
    Vec top = least;
    const auto raise = [&](Vec v) { top = hn::IfThenElse(hn::Gt(v, top), v, top); };
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) raise(hn::LoadU(kF32, x + i));
    float largest = hn::GetLane(hn::MaxOfLanes(kF32, top));
    for (; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
    return largest;
}

void softmax_rows(const float * x, float * y, int64_t n, int64_t rows) {
    for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
        const Vec top = hn::Set(kF32, row_max(x, n));
        for (int64_t i = 0; i < n; i += kLanes)
            store_part(vexp(kF32, hn::Sub(load_part(x + i, n - i), top)), y + i, n - i);
        const Vec factor = hn::Set(kF32, 1 / row_sum(y, n));
        for (int64_t i = 0; i < n; i += kLanes) store_part(hn::Mul(load_part(y + i, n - i), factor), y + i, n - i);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(softmax_rows);

Status launch(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(softmax_rows);
    const float * x = l.x(0);
    float * y = l.y(0);
    const int64_t n = l.in(0).ne(0);
    split_rows(device_of(l).pool, l.in(0).shape.rows(), 4 * n,
               [=](int64_t first, int64_t last) { run(x + first * n, y + first * n, n, last - first); });
    return {};
}

}  // namespace

const Kernel kernel::softmax = {launch};

}  // namespace ql::cpu
#endif
