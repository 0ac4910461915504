// The tensors of a Hugging Face directory as weights under their GGUF names. They stay in the mapped files where they
// can; q and k (their rows change order), norms in 16 bits (the engine wants f32), experts (GGUF stacks them) and
// tensors that are not aligned are copied.
#pragma once
#include <set>
#include <string>

#include "models/files/safetensors.hpp"
#include "models/load/hf_experts.hpp"
#include "models/load/read_hf_config.hpp"
#include "models/model/weights.hpp"

namespace ql {

class HfWeights {
  public:
    HfWeights(const HfModel & model, ModelParts & parts)
        : config_(model.config), h_(model.hparams), architecture_(*model.architecture), parts_(parts) {}

    /// Adds a file's tensors, and keeps it mapped.
    Status add(SafeTensorsFile & file);
    /// Once all are there: checks them against what config.json says of head and biases, and adds the rope's factors.
    Status finish();

  private:
    /// config.json says that the head is the embedding, and the files hold both: where they differ, one of them is
    /// wrong.
    Status check_tied_head();
    /// Biases are there exactly where config.json says so: transformers would leave out the others.
    Status check_biases(int64_t layer);
    Status add(const SafeTensor & tensor);
    Result<std::byte *> own(const Weight & w, size_t bytes);
    /// Norms and biases become f32; norms, what GGUF holds of them.
    Status widen(Weight & w);
    /// Matrices: q and k in GGUF's row order, the others where they lie.
    Status place(Weight & w);
    /// `name` is that of a weight, or of a bias, whose elements belong to the weight's rows.
    bool has_permuted_rows(const std::string & name) const;
    Status order_rows(Weight & w, int64_t rows);
    /// safetensors data may begin at any byte.
    Status align(Weight & w);

    const HfConfig & config_;
    const Hparams & h_;
    const Architecture & architecture_;
    ModelParts & parts_;
    std::set<std::string> names_;
    HfExperts experts_;
    Weight tied_head_;  // lm_head.weight where the embedding counts
};

}  // namespace ql
