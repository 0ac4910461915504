// How models stretch rotary positions past the context that they were first trained with: by what each frequency is
// divided, and by what cos and sin are multiplied.
#pragma once
#include <cstdint>
#include <vector>

namespace ql {

/// Llama 3.1's scaled positions: frequencies of wavelengths longer than original_context / low_freq_factor are divided
/// by `factor`, those shorter than original_context / high_freq_factor are kept, and between them the divisor goes
/// smoothly.
///                                                     (Llama Team 2024; reference code of meta-llama/llama-models)
struct Llama3Scaling {
    double factor, low_freq_factor, high_freq_factor, original_context;
};
std::vector<float> llama3_rope_factors(const Llama3Scaling & scaling, double rope_base, int64_t n_rot);

/// YaRN: frequencies that rotate more than beta_fast times within the original context are kept, those that rotate fewer
/// than beta_slow times are divided by `factor`, and between them the mean goes linearly over the pair's number.
///                                                                                          (Peng et al. 2023)
struct YarnScaling {
    double factor, beta_fast, beta_slow, original_context;
    bool whole_pairs = true;  // the ramp begins and ends at whole numbers of pairs
};
std::vector<float> yarn_rope_factors(const YarnScaling & scaling, double rope_base, int64_t n_rot);
/// What YaRN multiplies cos and sin by: 0.1 weight ln(factor) + 1.
double yarn_magnitude(double factor, double weight);

/// What LongRoPE multiplies cos and sin by: sqrt(1 + ln(factor) / ln(original_context)).          (Ding et al. 2024)
double longrope_magnitude(double factor, double original_context);

/// What q is multiplied by at the positions 0 to n - 1: 1 + scale ln(1 + floor(position / original_context)).
///                                                                                          (Llama 4; Ministral 3)
std::vector<float> temperature_by_position(double scale, double original_context, int64_t n);

}  // namespace ql
