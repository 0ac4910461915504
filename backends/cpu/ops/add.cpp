// y = a + b; b of a's shape or one row for all.
// Split: pieces of kPiece elements, or rows. Traffic: two reads and a write (a row b stays in L1).
#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/add.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void add_pieces(const float * a, const float * b, float * y, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes)
        store_part(hn::Add(load_part(a + i, n - i), load_part(b + i, n - i)), y + i, n - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(add_pieces);

Status launch(const Launch & l) {
    const auto add = &HWY_DYNAMIC_DISPATCH(add_pieces);
    const float *a = l.x(0), *b = l.x(1);
    float * y = l.y(0);
    const int64_t n = l.in(0).shape.elements(), width = l.in(1).shape.elements();
    if (width == n) {
        split(device_of(l).pool, n, kPiece, [=](int64_t i, int64_t end) { add(a + i, b + i, y + i, end - i); });
        return {};
    }
    split_rows(device_of(l).pool, n / width, width, [=](int64_t first, int64_t last) {
        for (int64_t r = first; r < last; ++r) add(a + r * width, b, y + r * width, width);
    });
    return {};
}

}  // namespace

const Kernel kernel::add = {launch};

}  // namespace ql::cpu
#endif
