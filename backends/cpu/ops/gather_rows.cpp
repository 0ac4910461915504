// y[:, t] = x[:, ids[t]], zeros for a negative id, NaN for one past the last row.
// Split: rows, about kPiece elements a task. Traffic: a read and a write. x may be f16 where it is a leaf; each of the
// two may be bf16.
#include <algorithm>
#include <limits>

#include "backends/cpu/numbers.hpp"

#ifndef QL_CPU_GATHER_ROWS_ONCE
#define QL_CPU_GATHER_ROWS_ONCE
namespace ql::cpu {
struct GatherJob {
    NumbersIn x;
    const int32_t * ids;
    StreamOut y;
    int64_t width, n_rows;
};
}  // namespace ql::cpu
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/gather_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

template <typename T>
HWY_INLINE void copy_row(const T * x, T * y, int64_t n) {
    std::copy_n(x, n, y);
}
template <typename X, typename Y>
HWY_INLINE void copy_row(const X * x, Y * y, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes) store_part(load_part(x + i, n - i), y + i, n - i);
}

template <typename Y>
HWY_INLINE void fill_row(float value, Y * y, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes) store_part(hn::Set(kF32, value), y + i, n - i);
}

void gather(const GatherJob & job, int64_t first, int64_t last) {
    with_types(
        [&](auto * x, auto * to) {
            for (int64_t t = first; t < last; ++t) {
                const int64_t id = job.ids[t];
                auto * y = to + t * job.width;
                if (id >= 0 && id < job.n_rows)
                    copy_row(x + id * job.width, y, job.width);
                else
                    fill_row(id < 0 ? 0.0f : std::numeric_limits<float>::quiet_NaN(), y, job.width);
            }
        },
        job.x, job.y);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(gather);

Status launch_gather_rows(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(gather);
    const GatherJob job{numbers_in(l, 0), l.ids(1), stream_out(l, 0), l.in(0).ne(0), l.in(0).ne(1)};
    split_rows(device_of(l).pool, l.in(1).ne(0), job.width,
               [&](int64_t first, int64_t last) { run(job, first, last); });
    return {};
}

bool reads_bf16_gather_rows(const Node &, size_t source) {
    return source == 0;
}

}  // namespace

const Kernel kernel::gather_rows = {
    .launch = launch_gather_rows, .reads_bf16 = reads_bf16_gather_rows, .writes_bf16 = takes_any};

}  // namespace ql::cpu
#endif
