#include "models/train/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ql {

int64_t warmup_steps(double warmup, int64_t n_steps) {
    const double n = warmup < 1 ? std::ceil(warmup * static_cast<double>(n_steps)) : warmup;
    return std::min(static_cast<int64_t>(n), n_steps);
}

double learning_rate(ql_schedule schedule, double peak, int64_t step, int64_t n_steps, int64_t n_warmup) {
    if (step < n_warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(n_warmup);
    const int64_t span = std::max<int64_t>(n_steps - n_warmup, 1);
    const double done = static_cast<double>(step - n_warmup) / static_cast<double>(span);
    switch (schedule) {
        case QL_SCHEDULE_LINEAR:
            return peak * (1 - done);
        case QL_SCHEDULE_COSINE:
            return peak * 0.5 * (1 + std::cos(std::numbers::pi * done));
        case QL_SCHEDULE_CONSTANT:
            break;
    }
    return peak;
}

}  // namespace ql
