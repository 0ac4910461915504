// What config.json of a Hugging Face directory says beside the hyper-parameters, and the checks that every architecture
// needs.
#pragma once
#include <string_view>
#include <vector>

#include "models/files/json_file.hpp"
#include "models/hf/packed_integers.hpp"
#include "models/hf/rope.hpp"

namespace ql {

/// Whether linears have biases: a field says it, or the architecture.
struct HfBiases {
    std::string_view linears;  // how their names begin, "attn_"
    const char * key;          // "attention_bias"; null: the architecture's word
    bool there = false;        // where the field is missing, until it is read
};

struct HfConfig {
    enum class Head { tied, separate, unsaid } head = Head::unsaid;
    std::vector<HfBiases> biases;
    bool bitsandbytes = false;  // weights are quantised by it, some or all
    PackedIntegers integers;    // or by GPTQ or AWQ
    HfRope rope;                // of Hparams::rope, with the numbers that it follows from
};

/// Refuses checkpoints of other tools' quantisation but those of bitsandbytes, GPTQ and AWQ, and classes that compute something else with the
/// same weights.
Status refuse_other_models(const JsonFile & config, HfConfig & out);
/// How the head is stored.
Status read_head(const JsonFile & config, HfConfig & out);

}  // namespace ql
