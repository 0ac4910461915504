// A dense transformer: attention and a gated feed-forward layer by turns, each added to the stream. What differs from
// model to model is a description (traits.hpp) and, where that is not enough, the two read_more.
#pragma once
#include "models/dense/traits.hpp"
#include "models/files/gguf_keys.hpp"
#include "models/model/architecture.hpp"

namespace ql {

class Dense : public Architecture {
  public:
    explicit Dense(DenseTraits traits) : traits_(std::move(traits)) {}

    std::string_view name() const override { return traits_.name; }
    Status read_hparams(const ql_gguf * file, Hparams & h) const override;
    std::vector<NeededWeight> needed(const Hparams & h) const override;
    std::vector<std::string_view> linears() const override;
    ql_tensor * hidden(GraphBuilder & b) const override;

    std::vector<std::string_view> hf_model_types() const override { return traits_.hf_types; }
    Status read_hf_config(const JsonFile & config, Hparams & h, HfConfig & out) const override;
    Status write_hparams(const Hparams & h, const HfConfig & config, const GgufKeyWriter & keys) const override;
    const HfNames & hf_names() const override { return *traits_.hf_names; }
    bool permuted(std::string_view linear) const override;
    bool shifted_norms() const override { return traits_.shifted_norms; }

  protected:
    /// What is left once the numbers that all models have are read; called before unread settings are refused.
    virtual Status read_more(const GgufKeys &, Hparams &) const { return {}; }
    virtual Status read_more(const JsonFile &, Hparams &, HfConfig &) const { return {}; }

    const DenseTraits & traits() const { return traits_; }

  private:
    DenseTraits traits_;
};

}  // namespace ql
