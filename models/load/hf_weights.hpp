// The tensors of a Hugging Face directory as weights under their GGUF names. They stay in the mapped files where they
// can; q and k (their rows change order), norms in 16 bits (the engine wants f32), experts (GGUF stacks them) and
// tensors that are not aligned are copied: all of them when a model is opened, one at a time when it is converted.
#pragma once
#include <set>
#include <string>

#include "models/files/safetensors.hpp"
#include "models/load/bnb_tensor.hpp"
#include "models/load/hf_experts.hpp"
#include "models/load/hf_tensor.hpp"
#include "models/load/read_hf_config.hpp"
#include "models/model/weights.hpp"

namespace ql {

class HfWeights {
  public:
    HfWeights(const HfModel & model, ModelParts & parts)
        : config_(model.config), h_(model.hparams), architecture_(*model.architecture), parts_(parts) {}

    /// Adds a file's tensors, and keeps it mapped.
    Status add(SafeTensorsFile & file);
    /// Once all are there: checks them against what config.json says of head and biases.
    Status check();
    /// Checks them, and gives all to the model, with the rope's factors.
    Status finish();
    /// The same, but for the values of matrices, which are read from `tensors` one by one: those of the model have no data.
    /// errors  QL_UNSUPPORTED, too: stacks of experts
    Status finish_without_matrices();
    const std::vector<std::unique_ptr<HfTensor>> & tensors() const { return tensors_; }

  private:
    /// config.json says that the head is the embedding, and the files hold both: where they differ, one of them is
    /// wrong.
    Status check_tied_head() const;
    /// Biases are there exactly where config.json says so: transformers would leave out the others.
    Status check_biases(int64_t layer) const;
    Status add(const SafeTensor & tensor);
    /// Tensors of a quantised checkpoint, which have others beside them.
    Status add_quantised();
    Status add_packed();
    bool is_packed() const { return config_.integers.by != PackedIntegers::By::nobody; }
    /// The GGUF name of a quantised weight that no file has had yet.
    Result<std::string> new_name(const std::string & hf_name);
    /// A bias of zeros beside codes, where the model has none: older packers wrote one for every linear.
    bool is_empty_bias(const SafeTensor & tensor) const;
    /// Of rows that take GGUF's order; 0: they stay.
    int64_t head_dim_of(const std::string & name) const;
    HfChange change_of(const Weight & w) const;
    Status place(const HfTensor & tensor);

    const HfConfig & config_;
    const Hparams & h_;
    const Architecture & architecture_;
    ModelParts & parts_;
    std::set<std::string> names_;
    std::vector<std::unique_ptr<HfTensor>> tensors_;
    HfExperts experts_;
    std::vector<SafeTensor> waiting_;  // of a quantised checkpoint: until all are there that say what they mean
    SafeTensors beside_;
    Weight tied_head_;  // lm_head.weight where the embedding counts
};

}  // namespace ql
