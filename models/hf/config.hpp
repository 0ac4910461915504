// What config.json of a Hugging Face directory says beside the hyper-parameters, and the checks that every architecture
// needs.
#pragma once
#include <string_view>
#include <vector>

#include "models/files/json_file.hpp"

namespace ql {

/// A field that says whether linears have biases.
struct HfBiases {
    std::string_view linears;  // how their names begin, "attn_"
    const char * key;          // "attention_bias"
    bool there = false;
};

struct HfConfig {
    /// What llama3 scaling divides each frequency by, [n_rot / 2]; empty without it. GGUF's rope_freqs.weight.
    std::vector<float> rope_factors;
    enum class Head { tied, separate, unsaid } head = Head::unsaid;
    std::vector<HfBiases> biases;
};

/// Refuses checkpoints of other tools' quantisation, and classes that compute something else with the same weights.
Status refuse_other_models(const JsonFile & config);
/// How the head is stored.
Status read_head(const JsonFile & config, HfConfig & out);

}  // namespace ql
