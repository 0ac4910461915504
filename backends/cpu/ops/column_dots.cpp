// y[i] = sum_t a[i, t] b[i, t].
// Split: kColumnPiece columns a task, each over all rows in order. Traffic: two reads. Each operand may be bf16.
#include "backends/cpu/stream.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/column_dots.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// Columns [first, first + n) of a task, n <= 4 vectors at a time: as many sums as hide the latency of a product and sum.
void dots_of_columns(StreamIn a, StreamIn b, float * y, int64_t width, int64_t rows, int64_t first, int64_t last) {
    with_types(
        [&](auto * x, auto * z) {
            for (int64_t i = first; i < last; i += 4 * kLanes) {
                Vec s0 = hn::Zero(kF32), s1 = s0, s2 = s0, s3 = s0;
                const int64_t n = last - i;
                for (int64_t t = 0; t < rows; ++t) {
                    auto * p = x + t * width + i;
                    auto * q = z + t * width + i;
                    s0 = hn::MulAdd(load_part(p, n), load_part(q, n), s0);
                    if (n > kLanes)
                        s1 = hn::MulAdd(load_part(p + kLanes, n - kLanes), load_part(q + kLanes, n - kLanes), s1);
                    if (n > 2 * kLanes)
                        s2 = hn::MulAdd(load_part(p + 2 * kLanes, n - 2 * kLanes),
                                        load_part(q + 2 * kLanes, n - 2 * kLanes), s2);
                    if (n > 3 * kLanes)
                        s3 = hn::MulAdd(load_part(p + 3 * kLanes, n - 3 * kLanes),
                                        load_part(q + 3 * kLanes, n - 3 * kLanes), s3);
                }
                store_part(s0, y + i, n);
                if (n > kLanes) store_part(s1, y + i + kLanes, n - kLanes);
                if (n > 2 * kLanes) store_part(s2, y + i + 2 * kLanes, n - 2 * kLanes);
                if (n > 3 * kLanes) store_part(s3, y + i + 3 * kLanes, n - 3 * kLanes);
            }
        },
        a, b);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(dots_of_columns);

Status launch_column_dots(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(dots_of_columns);
    const StreamIn a = stream_in(l, 0), b = stream_in(l, 1);
    float * y = l.y(0);
    const int64_t width = l.in(0).ne(0), rows = l.in(0).shape.rows();
    split(device_of(l).pool, width, kColumnPiece,
          [=](int64_t first, int64_t last) { run(a, b, y, width, rows, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::column_dots = {.launch = launch_column_dots, .reads_bf16 = takes_any};

}  // namespace ql::cpu
#endif
