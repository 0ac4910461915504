#include "models/train/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>

namespace ql {
namespace {

/// From 0 to 1.
double ratio(int64_t a, int64_t b) {
    return std::clamp(static_cast<double>(a) / static_cast<double>(std::max<int64_t>(b, 1)), 0.0, 1.0);
}

/// From 1 to the floor, where 1 - left of the fall is done.
double fall(const Schedule & s, double left) {
    return s.peak * (s.floor + (1 - s.floor) * left);
}

}  // namespace

int64_t part_of_steps(double part, int64_t n_steps) {
    const double n = part < 1 ? std::ceil(part * static_cast<double>(n_steps)) : part;
    return std::min(static_cast<int64_t>(n), n_steps);
}

Schedule schedule_of(const ql_train_options & o, int64_t n_steps) {
    return {o.schedule, o.lr, n_steps, part_of_steps(o.warmup, n_steps), o.lr_floor, part_of_steps(o.decay, n_steps)};
}

const char * schedule_name(int64_t kind) {
    constexpr const char * kNames[] = {"constant", "linear", "cosine", "wsd", "inverse_sqrt"};
    static_assert(std::size(kNames) == QL_SCHEDULE_INVERSE_SQRT + 1);
    return kind >= 0 && kind < std::ssize(kNames) ? kNames[kind] : "";
}

bool depends_on_end(ql_schedule kind) {
    return kind != QL_SCHEDULE_CONSTANT && kind != QL_SCHEDULE_INVERSE_SQRT;
}

double learning_rate(const Schedule & s, int64_t step) {
    if (step < s.n_warmup) return s.peak * static_cast<double>(step + 1) / static_cast<double>(s.n_warmup);
    const double done = ratio(step - s.n_warmup, s.n_steps - s.n_warmup);
    switch (s.kind) {
        case QL_SCHEDULE_LINEAR:
            return fall(s, 1 - done);
        case QL_SCHEDULE_COSINE:
            return fall(s, 0.5 * (1 + std::cos(std::numbers::pi * done)));
        case QL_SCHEDULE_WSD: {
            const int64_t n_decay = std::min(s.n_decay, s.n_steps - s.n_warmup), begin = s.n_steps - n_decay;
            return step < begin ? s.peak : fall(s, 1 - ratio(step - begin, n_decay));
        }
        case QL_SCHEDULE_INVERSE_SQRT:
            return s.peak * std::max(s.floor, std::sqrt(ratio(std::max<int64_t>(s.n_warmup, 1), step + 1)));
        case QL_SCHEDULE_CONSTANT:
            break;
    }
    return s.peak;
}

}  // namespace ql
