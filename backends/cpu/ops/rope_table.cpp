// Split: tokens, about kPiece / 8 numbers a task: a sine of the C library costs as much as dozens of streamed numbers.
// Traffic: one write. Once per run of a graph for all layers: 0.24 ms at n_rot 64, T 512 on one thread, so it stays
// scalar f64, as the reference is: at position 100,000 an f32 angle is wrong by a hundredth of a radian.
#include <cmath>

#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cpu {
namespace {

size_t scratch_rope_table(const Node & n, const DeviceImpl &) {
    return static_cast<size_t>(n.params.as<RopeTableParams>().n_rot / 2) * sizeof(double);
}

Status launch_rope_table(const Launch & l) {
    const auto p = l.params<RopeTableParams>();
    const int64_t n_rot = p.n_rot;
    const double m = p.magnitude;
    const int32_t * positions = l.ids(0);
    float * table = l.y(0);
    auto * frequency = reinterpret_cast<double *>(l.scratch);
    for (int64_t i = 0; i < n_rot / 2; ++i) {
        const double factor = l.has(1) ? static_cast<double>(l.x(1)[i]) : 1.0;
        frequency[i] =
            p.scale * std::pow(static_cast<double>(p.base), -2.0 * static_cast<double>(i) / p.n_rot) / factor;
    }
    split_rows(device_of(l).pool, l.in(0).ne(0), 8 * n_rot, [=](int64_t first, int64_t last) {
        for (int64_t t = first; t < last; ++t)
            for (int64_t i = 0; i < n_rot / 2; ++i) {
                const double angle = positions[t] * frequency[i];
                table[t * n_rot + 2 * i] = static_cast<float>(m * std::cos(angle));
                table[t * n_rot + 2 * i + 1] = static_cast<float>(m * std::sin(angle));
            }
    });
    return {};
}

}  // namespace

const Kernel kernel::rope_table = {launch_rope_table, scratch_rope_table};

}  // namespace ql::cpu
