// One step of gradient descent with momentum, in place; ggml/ops/sgd.cpp has the formula.
// Split: pieces of kPiece elements.
// Traffic: three reads and two writes, 20 bytes a parameter: memory is the limit.
#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"
#include "ggml/ops/optimizer.hpp"

#ifndef QL_CPU_SGD_ONCE
#define QL_CPU_SGD_ONCE
namespace ql::cpu {
struct SgdJob {
    StepScalars<float> step;
    const float * grad;
    float *p, *m;
};
}  // namespace ql::cpu
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/sgd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void sgd_piece(const SgdJob & job, int64_t first, int64_t last) {
    const auto set = [](float x) { return hn::Set(kF32, x); };
    const Vec clip = set(job.step.clip), b1 = set(job.step.b1), lr = set(job.step.lr), keep = set(job.step.keep);
    for (int64_t i = first; i < last; i += kLanes) {
        const int64_t n = last - i;
        const Vec m = hn::MulAdd(b1, load_part(job.m + i, n), hn::Mul(clip, load_part(job.grad + i, n)));
        store_part(hn::NegMulAdd(lr, m, hn::Mul(load_part(job.p + i, n), keep)), job.p + i, n);
        store_part(m, job.m + i, n);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(sgd_piece);

Status launch(const Launch & l) {
    const float norm = l.x(3)[0];
    if (!std::isfinite(norm)) return {};
    const SgdJob job{step_scalars<float>(l.x(4), norm, l.params<OptimizerParams>()), l.x(1), l.y(0), l.y(1)};
    const auto run = &HWY_DYNAMIC_DISPATCH(sgd_piece);
    split(device_of(l).pool, l.in(0).shape.elements(), kPiece,
          [&](int64_t first, int64_t last) { run(job, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::sgd = {launch};

}  // namespace ql::cpu
#endif
