// The rules of the optimizers, an element at a time; the operators' files have the formulas.
#pragma once
#include <cmath>

#include "ggml/ops/optimizer.hpp"

namespace ql {

struct AdamwRule {
    static constexpr int kMoments = 2;
    using Scalar = double;
    template <typename Real>
    static void step(const StepScalars<Real> & s, Real grad, Real & p, Real * moments) {
        const Real g = s.clip * grad;
        const Real m = moments[0] = s.b1 * moments[0] + s.c1 * g;
        const Real v = moments[1] = s.b2 * moments[1] + s.c2 * (g * g);
        const Real step = m * s.unbias1 / (std::sqrt(v * s.unbias2) + s.eps);
        p = p * s.keep - s.lr * step;
    }
};

/// In f32 throughout, so that a sign is the same wherever it is taken.
struct LionRule {
    static constexpr int kMoments = 1;
    using Scalar = float;
    static void step(const StepScalars<float> & s, float grad, float & p, float * moments) {
        float & m = moments[0];
        const float g = s.clip * grad;
        const float mean = s.b1 * m + s.c1 * g;
        const float sign = mean > 0 ? 1.0f : mean < 0 ? -1.0f : 0.0f;
        p = p * s.keep - s.lr * sign;
        m = s.b2 * m + s.c2 * g;
    }
};

struct SgdRule {
    static constexpr int kMoments = 1;
    using Scalar = double;
    static void step(const StepScalars<double> & s, double grad, double & p, double * moments) {
        moments[0] = s.b1 * moments[0] + s.clip * grad;
        p = p * s.keep - s.lr * moments[0];
    }
};

}  // namespace ql
