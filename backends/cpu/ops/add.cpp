// y = a + b; b is repeated in each dimension where its size is 1.
// Split: pieces of kPiece elements, or rows where b is repeated. Traffic: two reads and a write (what is repeated stays
// in L1).
#include "backends/cpu/ops/broadcast.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/add.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void add_stretch(const float * a, const float * b, float * y, int64_t n, bool one) {
    if (one) {
        const Vec all = hn::Set(kF32, *b);
        for (int64_t i = 0; i < n; i += kLanes) store_part(hn::Add(load_part(a + i, n - i), all), y + i, n - i);
        return;
    }
    for (int64_t i = 0; i < n; i += kLanes)
        store_part(hn::Add(load_part(a + i, n - i), load_part(b + i, n - i)), y + i, n - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(add_stretch);

Status launch_add(const Launch & l) {
    const auto add = &HWY_DYNAMIC_DISPATCH(add_stretch);
    const float *a = l.x(0), *b = l.x(1);
    float * y = l.y(0);
    split_broadcast(
        l, [=](int64_t first, int64_t second, int64_t n, bool one) { add(a + first, b + second, y + first, n, one); });
    return {};
}

}  // namespace

const Kernel kernel::add = {launch_add};

}  // namespace ql::cpu
#endif
