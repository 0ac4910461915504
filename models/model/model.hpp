// A model: shape, weights, tokenizer. Immutable; sessions and trainers share it.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "models/model/base_files.hpp"
#include "models/model/weights.hpp"
#include "models/text/tokenizer_capi.hpp"
#include "ql/model.h"

namespace ql {

class Architecture;

class Model {
  public:
    /// Of parts that are sound for the architecture: open_model checks them. `notes` may grow by the tokenizer's.
    Model(std::string path, ModelParts parts, const Architecture & architecture, std::vector<std::string> notes);

    const Hparams & hparams() const { return parts_.hparams; }
    const Architecture & architecture() const { return *architecture_; }
    const std::string & path() const { return path_; }
    const std::string & name() const { return parts_.name; }
    const BaseIdentity & identity() const { return parts_.identity; }
    const std::string & chat_template() const { return parts_.chat_template; }
    const Tokenizer * tokenizer() const { return tokenizer_ ? &tokenizer_->tokenizer : nullptr; }
    const ql_tokenizer * tokenizer_handle() const { return tokenizer_.get(); }
    const ql_gguf * file() const { return parts_.file.get(); }

    const std::vector<Weight> & weights() const { return parts_.weights; }
    const Weight * find(const std::string & name) const;
    /// The weight of the output head: output.weight, or the embedding where the two are tied.
    const Weight & head() const;
    bool tied() const;
    /// Whether a weight is used where the model's file is mapped: it was not converted, nor its rows reordered.
    bool is_mapped(const Weight & weight) const;
    /// Names of the block matrices that a new LoRA goes on, in order.
    std::vector<std::string> linears() const;
    /// The weights that an adapter may change: the linears, and the head where it is not the embedding.
    std::vector<std::string> lora_weights() const;
    int64_t n_parameters() const;
    uint64_t weight_bytes() const;
    /// The type of most of the block matrices, "nf4_dq".
    std::string base_type() const;
    /// A hash over names, types, shapes and the ends of every tensor: it tells models apart quickly, whatever their
    /// size.
    uint64_t fingerprint() const;
    /// Whether the files still hold the weights that were opened: for who has used them for a while.
    /// errors  QL_IO, by the name of a file that another program has overwritten
    Status check_files() const;
    /// One line for each setting in the files that is not followed as written, and for each matrix that could not take
    /// the asked type: "blk.0.ffn_down.weight keeps f16: ..."
    const std::vector<std::string> & notes() const { return notes_; }

  private:
    uint64_t hash_weights() const;

    const std::string path_;
    ModelParts parts_;
    const Architecture * const architecture_;
    std::unique_ptr<ql_tokenizer> tokenizer_;
    std::unordered_map<std::string, size_t> by_name_;
    std::vector<std::string> notes_;
    const BaseFiles files_;
    const uint64_t fingerprint_;
};

}  // namespace ql

/// The C API's handle.
struct ql_model {
    std::unique_ptr<ql::Model> model;
    std::string base_type;
};
