// The tensors of a PEFT directory by what they belong to: linears, norms that were trained whole, or rows of tokens.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "models/adapter/adapter.hpp"
#include "models/adapter/peft_config.hpp"
#include "models/files/safetensors.hpp"

namespace ql {

/// What the file holds for one linear.
struct ModuleTensors {
    const SafeTensor *a = nullptr, *b = nullptr;  // of LoRA and DoRA
    const SafeTensor * magnitude = nullptr;       // of DoRA
    const SafeTensor * block = nullptr;           // of MiSS
    const SafeTensor * weight = nullptr;          // the weight itself: trained whole
};

struct PeftTensors {
    std::map<std::string, ModuleTensors> linears;  // by their modules' paths, "model.layers.0.self_attn.q_proj"
    std::vector<TrainedNorm> norms;                // in the file's order
    std::vector<TokenRows> rows;                   // the embedding's first
};

/// errors  QL_BAD_FILE, QL_UNSUPPORTED name the tensor: one that belongs to none of these, or an embedding other than the
///         base's; or a name in modules_to_save or tokens without a tensor
Result<PeftTensors> sort_tensors(const SafeTensorsFile & file, const PeftConfig & config, const Model & model);

/// Rows of a module's tokens, in ascending order of these, which trainable_token_indices names.   errors  QL_BAD_FILE
Result<TokenRows> read_token_rows(const SafeTensor & t, const PeftConfig & config, const Model & model);

/// The branch of one linear. Rows of q and k of llama-type models change order, as the weight's did. A linear that was
/// trained whole becomes the LoRA that adds the difference to the base's: exact, of the rank of its smaller side.
/// errors  QL_BAD_FILE, QL_UNSUPPORTED name module or tensor: of no linear of the model, of another kind or shape than the
///         config's, not all there, or of a module that the config does not name, so that PEFT would pass over it
Result<LoraMatrix> read_branch(const std::string & module, const ModuleTensors & tensors, const PeftConfig & config,
                               const Model & model);

}  // namespace ql
