// y[:, r] = the sum of x[:, t] over the t with ids[t] == r, in the order of t.
// Split: columns, at least a cache line of them and at most kPiece numbers of x a task, so that no two tasks write the
// same number and the order of a sum does not depend on threads. Traffic: a read of x and of y, and two writes of y.
// x may be f16 or bf16 where it is a leaf; no activation is held in bf16 for this operator: it is summed, as in `add`.
#include <limits>

#include "backends/cpu/numbers.hpp"

#ifndef QL_CPU_SCATTER_ADD_ROWS_ONCE
#define QL_CPU_SCATTER_ADD_ROWS_ONCE
namespace ql::cpu {
struct ScatterJob {
    NumbersIn x;
    const int32_t * ids;
    float * y;
    int64_t width, n_ids, n_rows;
};
}  // namespace ql::cpu
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/scatter_add_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

template <typename X>
HWY_INLINE void scatter_columns_of(const X * from, const ScatterJob & job, int64_t first, int64_t last) {
    for (int64_t r = 0; r < job.n_rows; ++r)
        std::fill(job.y + r * job.width + first, job.y + r * job.width + last, 0.0f);
    for (int64_t t = 0; t < job.n_ids; ++t) {
        const int64_t id = job.ids[t];
        if (id < 0) continue;
        const X * x = from + t * job.width;
        float * y = job.y + id * job.width;
        for (int64_t i = first; i < last; i += kLanes)
            store_part(hn::Add(load_part(y + i, last - i), load_part(x + i, last - i)), y + i, last - i);
    }
}

/// Columns [first, last) of all rows.
void scatter_columns(const ScatterJob & job, int64_t first, int64_t last) {
    with_type(job.x, [&](auto * x) { scatter_columns_of(x, job, first, last); });
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(scatter_columns);

Status launch_scatter_add_rows(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(scatter_columns);
    const ScatterJob job{numbers_in(l, 0), l.ids(1), l.y(0), l.in(0).ne(0), l.in(0).ne(1), l.node.out[0]->ne(1)};
    const bool beyond = std::any_of(job.ids, job.ids + job.n_ids, [&](int32_t id) { return id >= job.n_rows; });
    if (beyond) {
        std::fill_n(job.y, job.width * job.n_rows, std::numeric_limits<float>::quiet_NaN());
        return {};
    }
    const int64_t columns = std::max<int64_t>(16, kPiece / job.n_ids / 16 * 16);
    split(device_of(l).pool, job.width, columns, [&](int64_t first, int64_t last) { run(job, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::scatter_add_rows = {launch_scatter_add_rows};

}  // namespace ql::cpu
#endif
