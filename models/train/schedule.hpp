// Learning rates by step.
#pragma once
#include <cstdint>

#include "ql/train.h"

namespace ql {

struct Schedule {
    ql_schedule kind = QL_SCHEDULE_CONSTANT;
    double peak = 0;
    int64_t n_steps = 1, n_warmup = 0;
    double floor = 0;     // what it falls to, as a part of the peak
    int64_t n_decay = 0;  // warm-up-stable-decay: the last steps, in which it falls
};

/// Steps of a part of a run: a value below 1 is a fraction of all steps (rounded up), else a number of steps.
int64_t part_of_steps(double part, int64_t n_steps);

/// The schedule that options ask for over so many steps.
Schedule schedule_of(const ql_train_options & options, int64_t n_steps);

/// "cosine"; "" for a number that is none's.
const char * schedule_name(int64_t kind);

/// Whether the rate of a step depends on how many steps the run has.
bool depends_on_end(ql_schedule kind);

/// The learning rate of step `step` (0 is the first): rises linearly over the warm-up, then
///   constant  stays
///   linear, cosine  falls to floor * peak after the last step in a line or half a cosine   (Loshchilov & Hutter 2017)
///   wsd       stays, and falls in a line to floor * peak over the last n_decay steps        (Hu et al. 2024, MiniCPM)
///   inverse_sqrt  falls as sqrt(max(n_warmup, 1) / (step + 1)), not below floor * peak      (Vaswani et al. 2017)
double learning_rate(const Schedule & schedule, int64_t step);

}  // namespace ql
