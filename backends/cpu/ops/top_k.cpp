// The k largest of each row, largest first.
// Split: rows, about kPiece elements a task. Traffic: one read. The result's own row holds the k best so far, in order.
// A vector of the row is compared with the last of them and seldom has an element to put in: on random data k log(n /
// k) do. x may be f16 or bf16 where it is a leaf; no activation is held in bf16 for this operator: rounding makes ties.
#include "ggml/ops/top_k.hpp"

#include "backends/cpu/numbers.hpp"
#include "ggml/ops/params.hpp"

#ifndef QL_CPU_TOP_K_ONCE
#define QL_CPU_TOP_K_ONCE
namespace ql::cpu {
/// The k best of what was seen of a row.
struct BestOfRow {
    float * values;
    int32_t * ids;
    int64_t k, held = 0;

    float last() const { return values[k - 1]; }
    void offer(float x, int64_t id) {
        if (held == k && !larger(x, last())) return;
        int64_t at = held < k ? held++ : k - 1;
        for (; at > 0 && larger(x, values[at - 1]); --at) {
            values[at] = values[at - 1];
            ids[at] = ids[at - 1];
        }
        values[at] = x;
        ids[at] = static_cast<int32_t>(id);
    }
};
}  // namespace ql::cpu
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/top_k.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

HWY_INLINE float number(const float * x) {
    return *x;
}
template <typename X>
HWY_INLINE float number(const X * x) {
    return hn::GetLane(load_part(x, 1));
}

template <typename X>
HWY_INLINE void find_best_of(const X * x, int64_t n, BestOfRow best) {
    int64_t i = 0;
    for (; i < best.k; ++i) best.offer(number(x + i), i);
    for (; i + kLanes <= n; i += kLanes) {
        if (hn::AllTrue(kF32, hn::Le(load_part(x + i, kLanes), hn::Set(kF32, best.last())))) continue;
        for (int64_t j = i; j < i + kLanes; ++j) best.offer(number(x + j), j);
    }
    for (; i < n; ++i) best.offer(number(x + i), i);
}

void find_best(NumbersIn x, int64_t row, int64_t n, BestOfRow best) {
    with_type(x, [&](auto * in) { find_best_of(in + row * n, n, best); });
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(find_best);

Status launch_top_k(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(find_best);
    const int64_t n = l.in(0).ne(0), k = l.params<TopKParams>().k;
    const NumbersIn x = numbers_in(l, 0);
    float * values = l.y(0);
    auto *ids = static_cast<int32_t *>(l.out[1]), *places = static_cast<int32_t *>(l.out[2]);
    split_rows(device_of(l).pool, l.in(0).shape.rows(), n, [=](int64_t first, int64_t last) {
        for (int64_t row = first; row < last; ++row) {
            run(x, row, n, {values + row * k, ids + row * k, k});
            for (int64_t i = row * k; i < (row + 1) * k; ++i) places[i] = static_cast<int32_t>(row * n) + ids[i];
        }
    });
    return {};
}

}  // namespace

const Kernel kernel::top_k = {launch_top_k};

}  // namespace ql::cpu
#endif
