// Steps of the optimizers with states of f32: a thread takes elements, each of which is read and written once.
#include "backends/cuda/ops/elements.cuh"
#include "ggml/ops/params.hpp"
#include "ql/optim.h"

namespace ql::cuda {
namespace {

/// As in ggml/ops/optimizer.hpp: computed in f64, rounded once.
struct Scalars {
    float clip, b1, c1, b2, c2, unbias1, unbias2, eps, lr, keep;
};
__device__ Scalars scalars_of(const float * hyper, double norm, double lr_scale) {
    const double clip = hyper[QL_HYPER_CLIP], lr = hyper[QL_HYPER_LR] * lr_scale, b1 = hyper[QL_HYPER_BETA1],
                 b2 = hyper[QL_HYPER_BETA2];
    const double cut = clip / (norm + 1e-6);
    return {static_cast<float>(clip > 0 && cut < 1 ? cut : 1.0),
            static_cast<float>(b1),
            static_cast<float>(1 - b1),
            static_cast<float>(b2),
            static_cast<float>(1 - b2),
            static_cast<float>(1 / static_cast<double>(hyper[QL_HYPER_BIAS1])),
            static_cast<float>(1 / static_cast<double>(hyper[QL_HYPER_BIAS2])),
            hyper[QL_HYPER_EPS],
            static_cast<float>(lr),
            static_cast<float>(1 - lr * static_cast<double>(hyper[QL_HYPER_DECAY]))};
}

struct Adamw {
    static constexpr int kMoments = 2;
    static __device__ void step(const Scalars & s, float grad, float & p, float & m, float & v) {
        const float g = s.clip * grad;
        m = s.b1 * m + s.c1 * g;
        v = s.b2 * v + s.c2 * (g * g);
        p = p * s.keep - s.lr * (m * s.unbias1 / (sqrtf(v * s.unbias2) + s.eps));
    }
};
struct Lion {
    static constexpr int kMoments = 1;
    static __device__ void step(const Scalars & s, float grad, float & p, float & m, float &) {
        const float g = s.clip * grad, mean = s.b1 * m + s.c1 * g;
        p = p * s.keep - s.lr * (mean > 0 ? 1.0f : mean < 0 ? -1.0f : 0.0f);
        m = s.b2 * m + s.c2 * g;
    }
};
struct Sgd {
    static constexpr int kMoments = 1;
    static __device__ void step(const Scalars & s, float grad, float & p, float & m, float &) {
        m = s.b1 * m + s.clip * grad;
        p = p * s.keep - s.lr * m;
    }
};

template <typename Rule>
struct StepOf {
    float * p;
    const float * grad;
    float *m, *v;
    const float *norm, *hyper;
    float lr_scale;
    __device__ void operator()(int64_t i) const {
        if (!(fabsf(norm[0]) < INFINITY)) return;  // the step is skipped
        const Scalars s = scalars_of(hyper, static_cast<double>(norm[0]), static_cast<double>(lr_scale));
        float x = p[i], first = m[i], second = Rule::kMoments == 2 ? v[i] : 0;
        Rule::step(s, grad[i], x, first, second);
        p[i] = x, m[i] = first;
        if (Rule::kMoments == 2) v[i] = second;
    }
};
template <typename Rule>
Status step(const Launch & l) {
    const int norm = 2 + Rule::kMoments;
    const StepOf<Rule> f{l.y(0),
                         l.x(1),
                         l.y(1),
                         Rule::kMoments == 2 ? l.y(2) : nullptr,
                         l.x(norm),
                         l.x(norm + 1),
                         l.params<OptimizerParams>().lr_scale};
    return for_each(l, f, l.in(0).shape.elements());
}

}  // namespace

const Kernel kernel::adamw = {.launch = step<Adamw>};
const Kernel kernel::lion = {.launch = step<Lion>};
const Kernel kernel::sgd = {.launch = step<Sgd>};
}  // namespace ql::cuda
