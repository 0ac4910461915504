// How config.json says that positions are scaled.
#pragma once
#include <vector>

#include "models/files/json_file.hpp"

namespace ql {

struct HfRope {
    float base = 10000.0f;
    float scale = 1.0f;          // 1 / factor of linear scaling
    std::vector<float> factors;  // of llama3 scaling, [n_rot / 2]; empty without it
};

/// rope_parameters (transformers 5), or rope_theta beside rope_scaling (before).
Result<HfRope> read_hf_rope(const JsonFile & config, int64_t n_rot);

/// Llama 3.1's scaled positions: frequencies of wavelengths longer than original_context / low_freq_factor are divided
/// by `factor`, those shorter than original_context / high_freq_factor are kept, and between them the divisor goes
/// smoothly.
///                                                     (Llama Team 2024; reference code of meta-llama/llama-models)
struct Llama3Scaling {
    double factor, low_freq_factor, high_freq_factor, original_context;
};
std::vector<float> llama3_rope_factors(const Llama3Scaling & scaling, double rope_base, int64_t n_rot);

}  // namespace ql
