// y[i, ...] = exp(x[i, ...] - m) / sum_j exp(x[j, ...] - m), m the row's largest.
// Split: rows, about kPiece / 4 elements a task: an exponential costs as much as several streamed numbers. Works in
// place. Traffic: a read and a write; the second and the third look at a row find it in L1 (up to n = 8192). y may be
// bf16: it then holds no exponentials on the way, and they are computed twice. x may be f16 or bf16 where it is a leaf;
// no activation is held in bf16 for this operator: an error of a large x is a relative error of exp(x).
#include <cmath>

#include "backends/cpu/numbers.hpp"

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
template <typename X>
HWY_INLINE float row_max(const X * x, int64_t n) {
    const Vec least = hn::Set(kF32, -INFINITY);
    Vec top = least;
    const auto raise = [&](Vec v) { top = hn::IfThenElse(hn::Gt(v, top), v, top); };
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) raise(load_part(x + i, kLanes));
    float largest = hn::GetLane(hn::MaxOfLanes(kF32, top));
    for (; i < n; ++i) {
        const float v = hn::GetLane(load_part(x + i, 1));
        largest = v > largest ? v : largest;
    }
    return largest;
}

template <typename X>
HWY_INLINE void softmax_row(const X * x, float * y, int64_t n) {
    const Vec top = hn::Set(kF32, row_max(x, n));
    for (int64_t i = 0; i < n; i += kLanes) store_part(vexp(kF32, hn::Sub(load_part(x + i, n - i), top)), y + i, n - i);
    const Vec factor = hn::Set(kF32, 1 / row_sum(y, n));
    for (int64_t i = 0; i < n; i += kLanes) store_part(hn::Mul(load_part(y + i, n - i), factor), y + i, n - i);
}

template <typename X>
HWY_INLINE void softmax_row(const X * x, uint16_t * y, int64_t n) {
    const Vec top = hn::Set(kF32, row_max(x, n));
    const auto exponential = [&](int64_t i) { return vexp(kF32, hn::Sub(load_part(x + i, n - i), top)); };
    Vec sum = hn::Zero(kF32);
    for (int64_t i = 0; i < n; i += kLanes) {
        const auto there = hn::FirstN(kF32, static_cast<size_t>(HWY_MIN(n - i, kLanes)));
        sum = hn::Add(sum, hn::IfThenElseZero(there, exponential(i)));
    }
    const Vec factor = hn::Set(kF32, 1 / sum_of(sum));
    for (int64_t i = 0; i < n; i += kLanes) store_part(hn::Mul(exponential(i), factor), y + i, n - i);
}

void softmax_rows(NumbersIn x, StreamOut y, int64_t n, int64_t first, int64_t last) {
    with_types(
        [&](auto * in, auto * out) {
            for (int64_t row = first; row < last; ++row) softmax_row(in + row * n, out + row * n, n);
        },
        x, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(softmax_rows);

Status launch_softmax(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(softmax_rows);
    const NumbersIn x = numbers_in(l, 0);
    const StreamOut y = stream_out(l, 0);
    const int64_t n = l.in(0).ne(0);
    split_rows(device_of(l).pool, l.in(0).shape.rows(), 4 * n,
               [=](int64_t first, int64_t last) { run(x, y, n, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::softmax = {.launch = launch_softmax, .writes_bf16 = takes_any};

}  // namespace ql::cpu
#endif
