// y[j, ...] = sum_b x[b n + j, ...].
// Split: rows, about kPiece elements a task; a vector of y is summed over all tiles before it is written, in their order.
// What a vector reads beyond its tile is the next tile's, and not written. Traffic: one read. Each operand may be bf16.
#include "backends/cpu/stream.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/sum_tiles.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void sum_tiles_of_rows(StreamIn x, StreamOut y, int64_t size, int64_t width, int64_t first, int64_t last) {
    with_types(
        [&](auto * in, auto * out) {
            for (int64_t row = first; row < last; ++row)
                for (int64_t j = 0; j < width; j += kLanes) {
                    Vec sum = hn::Zero(kF32);
                    for (int64_t b = j; b < size; b += width)
                        sum = hn::Add(sum, load_part(in + row * size + b, size - b));
                    store_part(sum, out + row * width + j, width - j);
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
HWY_EXPORT(sum_tiles_of_rows);

Status launch_sum_tiles(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(sum_tiles_of_rows);
    const StreamIn x = stream_in(l, 0);
    const StreamOut y = stream_out(l, 0);
    const int64_t size = l.in(0).ne(0), width = l.node.out[0]->ne(0);
    split_rows(device_of(l).pool, l.in(0).shape.rows(), size,
               [=](int64_t first, int64_t last) { run(x, y, size, width, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::sum_tiles = {.launch = launch_sum_tiles, .reads_bf16 = takes_any, .writes_bf16 = takes_any};

}  // namespace ql::cpu
#endif
