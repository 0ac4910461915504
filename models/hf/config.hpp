// config.json of a Hugging Face directory: the shape of a llama-type model and how its positions are scaled.
#pragma once
#include <string>
#include <vector>

#include "models/files/json_file.hpp"
#include "models/model/hparams.hpp"

namespace ql {

struct HfConfig {
    Hparams hparams;
    /// What llama3 scaling divides each frequency by, [n_rot / 2]; empty without it. GGUF's rope_freqs.weight.
    std::vector<float> rope_factors;
    enum class Head { tied, separate, unsaid } head = Head::unsaid;
    bool attention_bias = false;  // q, k, v and o have one
    bool mlp_bias = false;        // gate, up and down have one
};

Result<HfConfig> read_hf_config(const JsonFile & config);

/// Llama 3.1's scaled positions: frequencies of wavelengths longer than original_context / low_freq_factor are divided
/// by `factor`, those shorter than original_context / high_freq_factor are kept, and between them the divisor goes
/// smoothly.
///                                                     (Llama Team 2024; reference code of meta-llama/llama-models)
struct Llama3Scaling {
    double factor, low_freq_factor, high_freq_factor, original_context;
};
std::vector<float> llama3_rope_factors(const Llama3Scaling & scaling, double rope_base, int64_t n_rot);

}  // namespace ql
