// y[0, ...] = sum_i x[i, ...].
// Split: rows, about kPiece elements a task; a row is four chains of vectors, added in a fixed order. Traffic: one
// read. x may be f16 or bf16 where it is a leaf; no activation is held in bf16 for this operator: its terms would be
// rounded one by one.
#include "backends/cpu/numbers.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/sum_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/ops/row_sums.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void sum_each_row(NumbersIn x, float * y, int64_t n, int64_t first, int64_t last) {
    with_type(x, [&](auto * in) {
        for (int64_t r = first; r < last; ++r) y[r] = row_sum(in + r * n, n);
    });
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(sum_each_row);

Status launch_sum_rows(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(sum_each_row);
    const NumbersIn x = numbers_in(l, 0);
    float * y = l.y(0);
    const int64_t n = l.in(0).ne(0);
    split_rows(device_of(l).pool, l.in(0).shape.rows(), n,
               [=](int64_t first, int64_t last) { run(x, y, n, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::sum_rows = {launch_sum_rows};

}  // namespace ql::cpu
#endif
