// What the kernels of optimizers share outside of their vectors: what a step is given, and its split.
#pragma once
#include <cmath>

#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"
#include "ggml/ops/optimizer.hpp"

namespace ql::cpu {

struct OptimizerJob {
    StepScalars<float> step;
    const float * grad;
    float * p;
    void * states[4];  // the results behind p: moments, or codes and absmax of each
};

/// Runs pieces of kPiece elements, which are whole blocks of 8-bit states. A norm that is not finite skips the step.
inline Status launch_step(const Launch & l, void (*piece)(const OptimizerJob & job, int64_t first, int64_t last)) {
    const int norm = norm_of(l.node);
    if (!std::isfinite(l.x(norm)[0])) return {};
    OptimizerJob job{step_scalars<float>(l.x(norm + 1), l.x(norm)[0], l.params<OptimizerParams>()), l.x(1), l.y(0), {}};
    for (size_t i = 1; i < l.node.out.size(); ++i) job.states[i - 1] = l.out[i];
    split(device_of(l).pool, l.in(0).shape.elements(), kPiece,
          [&](int64_t first, int64_t last) { piece(job, first, last); });
    return {};
}

}  // namespace ql::cpu
