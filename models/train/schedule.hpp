// Learning rates by step.
#pragma once
#include <cstdint>

#include "ql/train.h"

namespace ql {

/// Warm-up steps of a run: a value below 1 is a fraction of all steps (rounded up), else a number of steps.
int64_t warmup_steps(double warmup, int64_t n_steps);

/// The learning rate of step `step` (0 is the first): rises linearly over the warm-up, then stays (constant), or falls
/// to 0 after the last step in a line or half a cosine.                                 (Loshchilov & Hutter 2017)
double learning_rate(ql_schedule schedule, double peak, int64_t step, int64_t n_steps, int64_t n_warmup);

}  // namespace ql
