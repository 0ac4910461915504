// y = factor x + offset.
// Split: pieces of kPiece elements. Works in place. Traffic: a read and a write. Each operand may be bf16.
#include "backends/cpu/stream.hpp"
#include "ggml/ops/params.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/scale.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void scale_piece(StreamIn x, StreamOut y, ScaleParams p, int64_t first, int64_t last) {
    const Vec factor = hn::Set(kF32, p.factor), offset = hn::Set(kF32, p.offset);
    with_types(
        [&](auto * in, auto * out) {
            for (int64_t i = first; i < last; i += kLanes)
                store_part(hn::MulAdd(load_part(in + i, last - i), factor, offset), out + i, last - i);
        },
        x, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(scale_piece);

Status launch_scale(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(scale_piece);
    const StreamIn x = stream_in(l, 0);
    const StreamOut y = stream_out(l, 0);
    const auto p = l.params<ScaleParams>();
    split(device_of(l).pool, l.in(0).shape.elements(), kPiece,
          [=](int64_t first, int64_t last) { run(x, y, p, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::scale = {.launch = launch_scale, .reads_bf16 = takes_any, .writes_bf16 = takes_any};

}  // namespace ql::cpu
#endif
