// One AdamW step, in place; ggml/ops/adamw.cpp has the formula.
// Split: pieces of kPiece elements.
// Traffic: four reads and three writes, 28 bytes a parameter: memory is the limit.
#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"
#include "ggml/ops/optimizer.hpp"

#ifndef QL_CPU_ADAMW_ONCE
#define QL_CPU_ADAMW_ONCE
namespace ql::cpu {
struct AdamwJob {
    StepScalars<float> step;
    const float * grad;
    float *p, *m, *v;
};
}  // namespace ql::cpu
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/adamw.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void adamw_piece(const AdamwJob & job, int64_t first, int64_t last) {
    const auto set = [](float x) { return hn::Set(kF32, x); };
    const StepScalars<float> & s = job.step;
    const Vec clip = set(s.clip), b1 = set(s.b1), c1 = set(s.c1), b2 = set(s.b2), c2 = set(s.c2);
    const Vec unbias1 = set(s.unbias1), unbias2 = set(s.unbias2), eps = set(s.eps), lr = set(s.lr), keep = set(s.keep);
    for (int64_t i = first; i < last; i += kLanes) {
        const int64_t n = last - i;
        const Vec g = hn::Mul(load_part(job.grad + i, n), clip);
        const Vec m = hn::MulAdd(b1, load_part(job.m + i, n), hn::Mul(c1, g));
        const Vec v = hn::MulAdd(b2, load_part(job.v + i, n), hn::Mul(c2, hn::Mul(g, g)));
        const Vec step = hn::Div(hn::Mul(m, unbias1), hn::Add(hn::Sqrt(hn::Mul(v, unbias2)), eps));
        store_part(hn::NegMulAdd(lr, step, hn::Mul(load_part(job.p + i, n), keep)), job.p + i, n);
        store_part(m, job.m + i, n);
        store_part(v, job.v + i, n);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(adamw_piece);

Status launch(const Launch & l) {
    const float norm = l.x(4)[0];
    if (!std::isfinite(norm)) return {};
    const AdamwJob job{step_scalars<float>(l.x(5), norm, l.params<OptimizerParams>()), l.x(1), l.y(0), l.y(1), l.y(2)};
    const auto run = &HWY_DYNAMIC_DISPATCH(adamw_piece);
    split(device_of(l).pool, l.in(0).shape.elements(), kPiece,
          [&](int64_t first, int64_t last) { run(job, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::adamw = {launch};

}  // namespace ql::cpu
#endif
