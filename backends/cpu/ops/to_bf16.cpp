// y = bf16(x).
// Split: pieces of kPiece elements. Traffic: a read, and a write of half as much.
#include "backends/cpu/stream.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/to_bf16.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void round_piece(const float * x, uint16_t * y, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes) store_part(load_part(x + i, n - i), y + i, n - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(round_piece);

Status launch_to_bf16(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(round_piece);
    const float * x = l.x(0);
    auto * y = static_cast<uint16_t *>(l.out[0]);
    split(device_of(l).pool, l.in(0).shape.elements(), kPiece,
          [=](int64_t first, int64_t last) { run(x + first, y + first, last - first); });
    return {};
}

}  // namespace

const Kernel kernel::to_bf16 = {launch_to_bf16};

}  // namespace ql::cpu
#endif
