// One Lion step, in place; ggml/ops/lion.cpp has the formula.
// Split: pieces of kPiece elements.
// Traffic: three reads and two writes, 20 bytes a parameter: memory is the limit.
#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"
#include "ggml/ops/optimizer.hpp"

#ifndef QL_CPU_LION_ONCE
#define QL_CPU_LION_ONCE
namespace ql::cpu {
struct LionJob {
    StepScalars<float> step;
    const float * grad;
    float *p, *m;
};
}  // namespace ql::cpu
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/lion.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/ops/lion.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void lion_piece(const LionJob & job, int64_t first, int64_t last) {
    const LionVectors vectors(job.step);
    for (int64_t i = first; i < last; i += kLanes) {
        const int64_t n = last - i;
        Vec m = load_part(job.m + i, n);
        store_part(vectors.step(load_part(job.p + i, n), load_part(job.grad + i, n), m), job.p + i, n);
        store_part(m, job.m + i, n);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(lion_piece);

Status launch(const Launch & l) {
    const float norm = l.x(3)[0];
    if (!std::isfinite(norm)) return {};
    const LionJob job{step_scalars<float>(l.x(4), norm, l.params<OptimizerParams>()), l.x(1), l.y(0), l.y(1)};
    const auto run = &HWY_DYNAMIC_DISPATCH(lion_piece);
    split(device_of(l).pool, l.in(0).shape.elements(), kPiece,
          [&](int64_t first, int64_t last) { run(job, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::lion = {launch};

}  // namespace ql::cpu
#endif
