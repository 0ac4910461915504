// sum += x, in place.
// Split: pieces of kPiece elements. Traffic: two reads and a write.
#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/accumulate.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void accumulate_piece(const float * x, float * sum, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes)
        store_part(hn::Add(load_part(sum + i, n - i), load_part(x + i, n - i)), sum + i, n - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(accumulate_piece);

Status launch_accumulate(const Launch & l) {
    const auto accumulate = &HWY_DYNAMIC_DISPATCH(accumulate_piece);
    const float * x = l.x(1);
    float * sum = l.y(0);
    split(device_of(l).pool, l.in(0).shape.elements(), kPiece,
          [=](int64_t i, int64_t end) { accumulate(x + i, sum + i, end - i); });
    return {};
}

}  // namespace

const Kernel kernel::accumulate = {launch_accumulate};

}  // namespace ql::cpu
#endif
