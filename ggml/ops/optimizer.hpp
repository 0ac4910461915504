// What the optimizers' operators share. Their sources are p, grad, the states, norm and hyper; their results p and the
// states, which are the sources' own storage.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "ggml/ops/cases.hpp"
#include "ggml/ops/params.hpp"
#include "ql/optim.h"

namespace ql {

/// What every element of a step needs of its scalars: computed in f64, rounded once to what the step is computed in.
template <typename Real>
struct StepScalars {
    Real clip;              // factor of the gradient
    Real b1, c1, b2, c2;    // beta, 1 - beta
    Real unbias1, unbias2;  // 1 / (1 - beta^step)
    Real eps, lr, keep;     // keep: 1 - lr decay
};

template <typename Real, typename Given>
StepScalars<Real> step_scalars(const Given * hyper, Given norm, OptimizerParams params) {
    const auto given = [&](int i) { return static_cast<double>(hyper[i]); };
    const auto real = [](double x) { return static_cast<Real>(x); };
    const double clip = given(QL_HYPER_CLIP), lr = given(QL_HYPER_LR) * static_cast<double>(params.lr_scale);
    return {.clip = real(clip > 0 ? std::min(1.0, clip / (static_cast<double>(norm) + 1e-6)) : 1.0),
            .b1 = real(given(QL_HYPER_BETA1)),
            .c1 = real(1 - given(QL_HYPER_BETA1)),
            .b2 = real(given(QL_HYPER_BETA2)),
            .c2 = real(1 - given(QL_HYPER_BETA2)),
            .unbias1 = real(1 / given(QL_HYPER_BIAS1)),
            .unbias2 = real(1 / given(QL_HYPER_BIAS2)),
            .eps = real(given(QL_HYPER_EPS)),
            .lr = real(lr),
            .keep = real(1 - lr * given(QL_HYPER_DECAY))};
}

/// The norm, which comes before the hyper-parameters, the last source.
inline int norm_of(const Node & n) {
    return static_cast<int>(n.src.size()) - 2;
}

/// Checks what every optimizer has: p, grad, norm, hyper and lr_scale.
Status expect_optimizer(const Node & n);

/// The results: p and the states.
void results_in_place(const Node & n, std::vector<OutSpec> & outs);

/// A case with a parameter of shape s, its gradient, and these states.
Case optimizer_case(const char * name, Shape s, std::vector<CaseInput> states, float lr_scale = 1);

}  // namespace ql
