// Split: rows, about kPiece elements a task; indices are distinct, so tasks write apart. Traffic: a read and a write of
// the new rows; the rest of the cache is not touched. An index outside the cache is skipped, as in the reference.
#include <cmath>

#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"

#ifndef QL_CPU_KV_STORE_ONCE
#define QL_CPU_KV_STORE_ONCE
namespace ql::cpu {
struct KvStoreJob {
    const float * rows;
    const int32_t * index;
    int64_t width, n_cache;
    void * cache;
    bool f16;
};
}  // namespace ql::cpu
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/kv_store.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

HWY_INLINE void store_row(const float * row, int64_t n, float * to) {
    std::memcpy(to, row, static_cast<size_t>(n) * sizeof(float));
}

/// What f16 cannot hold becomes NaN (ggml/ops/kv_store.cpp): 65520 is the least that rounds to infinity.
HWY_INLINE void store_row(const float * row, int64_t n, hwy::float16_t * to) {
    for (int64_t i = 0; i < n; i += kLanes) {
        const Vec x = load_part(row + i, n - i);
        const auto fits = hn::Lt(hn::Abs(x), hn::Set(kF32, 65520.0f));
        store_part(hn::IfThenElse(fits, x, hn::Set(kF32, NAN)), to + i, n - i);
    }
}

template <typename T>
HWY_INLINE void store_rows_as(const KvStoreJob & job, int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) {
        const int64_t at = job.index[t];
        if (at >= 0 && at < job.n_cache)
            store_row(job.rows + t * job.width, job.width, static_cast<T *>(job.cache) + at * job.width);
    }
}

void store_rows(const KvStoreJob & job, int64_t first, int64_t last) {
    job.f16 ? store_rows_as<hwy::float16_t>(job, first, last) : store_rows_as<float>(job, first, last);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(store_rows);

Status launch_kv_store(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(store_rows);
    const KvStoreJob job{l.x(1), l.ids(2), l.in(0).ne(0), l.in(0).ne(1), l.out[0], l.in(0).dtype == QL_F16};
    split_rows(device_of(l).pool, l.in(1).ne(1), job.width,
               [&](int64_t first, int64_t last) { run(job, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::kv_store = {launch_kv_store};

}  // namespace ql::cpu
#endif
