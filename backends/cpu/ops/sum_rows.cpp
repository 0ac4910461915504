// y[0, ...] = sum_i x[i, ...].
// Split: rows, about kPiece elements a task; a row is four chains of vectors, added in a fixed order. Traffic: one
// read.
#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/sum_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/ops/row_sums.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void sum_each_row(const float * x, float * y, int64_t n, int64_t rows) {
    for (int64_t r = 0; r < rows; ++r) y[r] = row_sum(x + r * n, n);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(sum_each_row);

Status launch(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(sum_each_row);
    const float * x = l.x(0);
    float * y = l.y(0);
    const int64_t n = l.in(0).ne(0);
    split_rows(device_of(l).pool, l.in(0).shape.rows(), n,
               [=](int64_t first, int64_t last) { run(x + first * n, y + first, n, last - first); });
    return {};
}

}  // namespace

const Kernel kernel::sum_rows = {launch};

}  // namespace ql::cpu
#endif
