// y[i, ...] = x[i mod size, ...].
// Split: rows, about kPiece elements a task. Traffic: one write. Each operand may be bf16.
#include "backends/cpu/stream.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/tile.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void tile_rows(StreamIn x, StreamOut y, int64_t size, int64_t width, int64_t first, int64_t last) {
    with_types(
        [&](auto * in, auto * out) {
            for (int64_t row = first; row < last; ++row)
                for (int64_t j = 0; j < size; j += kLanes) {
                    const Vec part = load_part(in + row * size + j, size - j);
                    for (int64_t b = j; b < width; b += size)
                        store_part(part, out + row * width + b, std::min(size - j, width - b));
                }
        },
        x, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(tile_rows);

Status launch_tile(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(tile_rows);
    const StreamIn x = stream_in(l, 0);
    const StreamOut y = stream_out(l, 0);
    const int64_t size = l.in(0).ne(0), width = l.node.out[0]->ne(0);
    split_rows(device_of(l).pool, l.in(0).shape.rows(), width,
               [=](int64_t first, int64_t last) { run(x, y, size, width, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::tile = {.launch = launch_tile, .reads_bf16 = takes_any, .writes_bf16 = takes_any};

}  // namespace ql::cpu
#endif
