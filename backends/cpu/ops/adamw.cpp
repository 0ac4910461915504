// One AdamW step, in place; ggml/ops/adamw.cpp has the formula. What is common to all elements is computed in f64.
// Split: pieces of kPiece elements.
// Traffic: four reads and three writes, 28 bytes a parameter: memory is the limit.
#include <algorithm>
#include <cmath>
#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"

#include "ggml/ops/params.hpp"
#include "ql/optim.h"

#ifndef QL_CPU_ADAMW_ONCE
#define QL_CPU_ADAMW_ONCE
namespace ql::cpu {
struct AdamwJob {
    const float * grad;
    float *p, *m, *v;
    float clip;              // factor of the gradient
    float b1, c1, b2, c2;    // beta, 1 - beta
    float unbias1, unbias2;  // 1 / (1 - beta^step)
    float eps, lr, keep;     // keep: 1 - lr decay
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
    const Vec clip = set(job.clip), b1 = set(job.b1), c1 = set(job.c1), b2 = set(job.b2), c2 = set(job.c2);
    const Vec unbias1 = set(job.unbias1), unbias2 = set(job.unbias2), eps = set(job.eps), lr = set(job.lr),
              keep = set(job.keep);
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
    const float * hyper = l.x(5);
    const double norm = l.x(4)[0], clip = hyper[QL_HYPER_CLIP];
    if (!std::isfinite(norm)) return {};
    const double lr = static_cast<double>(hyper[QL_HYPER_LR]) * l.params<AdamwParams>().lr_scale;
    const AdamwJob job{l.x(1),
                       l.y(0),
                       l.y(1),
                       l.y(2),
                       static_cast<float>(clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0),
                       hyper[QL_HYPER_BETA1],
                       static_cast<float>(1 - static_cast<double>(hyper[QL_HYPER_BETA1])),
                       hyper[QL_HYPER_BETA2],
                       static_cast<float>(1 - static_cast<double>(hyper[QL_HYPER_BETA2])),
                       1 / hyper[QL_HYPER_BIAS1],
                       1 / hyper[QL_HYPER_BIAS2],
                       hyper[QL_HYPER_EPS],
                       static_cast<float>(lr),
                       static_cast<float>(1 - lr * hyper[QL_HYPER_DECAY])};
    const auto run = &HWY_DYNAMIC_DISPATCH(adamw_piece);
    split(device_of(l).pool, l.in(0).shape.elements(), kPiece,
          [&](int64_t first, int64_t last) { run(job, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::adamw = {launch};

}  // namespace ql::cpu
#endif
