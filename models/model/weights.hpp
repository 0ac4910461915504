// Weights under their GGUF names, whatever file they came from, and the memory they live in.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "models/base/memory.hpp"
#include "models/model/hparams.hpp"
#include "models/text/tokenizer.hpp"
#include "ql/ql.hpp"

namespace ql {

struct Weight {
    std::string name;  // "blk.0.attn_q.weight"
    ql_dtype dtype = QL_F32;
    int n_dims = 1;
    int64_t ne[4] = {1, 1, 1, 1};
    const void * data = nullptr;
    size_t bytes = 0;
    float scale = 1;  // of the whole tensor: its values are what `data` holds times this

    int64_t elements() const { return ne[0] * ne[1] * ne[2] * ne[3]; }
};

/// Hashes that name a base: base_identity.hpp. 16 hexadecimal digits each.
struct BaseIdentity {
    std::string model;  // the same in every quantisation
    std::string file;   // of the weights as they are stored

    bool operator==(const BaseIdentity &) const = default;
};

/// What a model file or directory holds, with whatever keeps its bytes alive. Rows of q and k of llama-type models are
/// in GGUF order (consecutive rope pairs), also when they come from a Hugging Face directory.
struct ModelParts {
    Hparams hparams;
    std::vector<Weight> weights;
    std::unique_ptr<Tokenizer> tokenizer;  // null where the files have none
    std::string chat_template;             // "" where there is none
    std::string name;                      // general.name
    std::vector<std::string> notes;        // for people: what the files' weights have become
    BaseIdentity identity;                 // of the files, whatever the weights are converted to
    GgufPtr file;                          // the mapped GGUF, if it is one
    std::vector<FileMapPtr> maps;          // the mapped safetensors files, if it is a Hugging Face directory
    std::vector<AlignedBytes> owned;       // converted or permuted weights
    SpillPtr spill;                        // converted weights on disk; null: they are in memory
};

}  // namespace ql
