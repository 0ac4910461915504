#include "models/base/rope_scaling.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ql {
namespace {

/// The pair, counted with fractions, that rotates `turns` times within the context.
double pair_of_turns(double turns, double context, double rope_base, int64_t n_rot) {
    return static_cast<double>(n_rot) * std::log(context / (turns * 2 * std::numbers::pi)) / (2 * std::log(rope_base));
}

}  // namespace

std::vector<float> llama3_rope_factors(const Llama3Scaling & s, double rope_base, int64_t n_rot) {
    const double longest = s.original_context / s.low_freq_factor, shortest = s.original_context / s.high_freq_factor;
    std::vector<float> factors;
    for (int64_t i = 0; i < n_rot; i += 2) {
        const double frequency = std::pow(rope_base, -static_cast<double>(i) / static_cast<double>(n_rot));
        const double wavelength = 2 * std::numbers::pi / frequency;
        const double smooth =
            (s.original_context / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
        const double divisor = wavelength < shortest  ? 1.0
                               : wavelength > longest ? s.factor
                                                      : 1.0 / ((1.0 - smooth) / s.factor + smooth);
        factors.push_back(static_cast<float>(divisor));
    }
    return factors;
}

std::vector<float> yarn_rope_factors(const YarnScaling & s, double rope_base, int64_t n_rot) {
    double first = pair_of_turns(s.beta_fast, s.original_context, rope_base, n_rot);
    double last = pair_of_turns(s.beta_slow, s.original_context, rope_base, n_rot);
    if (s.whole_pairs) first = std::floor(first), last = std::ceil(last);
    first = std::max(first, 0.0);
    last = std::min(last, static_cast<double>(n_rot - 1));
    const double width = std::max(last - first, 0.001);
    std::vector<float> factors;
    for (int64_t i = 0; i < n_rot / 2; ++i) {
        const double scaled = std::clamp((static_cast<double>(i) - first) / width, 0.0, 1.0);
        factors.push_back(static_cast<float>(1.0 / (scaled / s.factor + (1.0 - scaled))));
    }
    return factors;
}

double yarn_magnitude(double factor, double weight) {
    return factor <= 1 ? 1 : 0.1 * weight * std::log(factor) + 1;
}

double longrope_magnitude(double factor, double original_context) {
    return factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(original_context));
}

std::vector<float> temperature_by_position(double scale, double original_context, int64_t n) {
    std::vector<float> factors;
    for (int64_t i = 0; i < n; ++i)
        factors.push_back(
            static_cast<float>(1 + scale * std::log(1 + std::floor(static_cast<double>(i) / original_context))));
    return factors;
}

}  // namespace ql
