// Llama and what is built like it (Llama 1-3, Mistral, SmolLM2, TinyLlama): RMS norm, rotary positions, grouped-query
// attention, SwiGLU; biases of the linears where a file has them.                               (Touvron et al. 2023)
// Mistral may have a window: llama.cpp knows of none in a file of this architecture.                (Jiang et al. 2023)
#include <algorithm>

#include "models/dense/dense.hpp"
#include "models/dense/names.hpp"

namespace ql {
namespace {

constexpr HfNames kLlamaHfNames(kWholeNames, kLlamaNames);

class Llama : public Dense {
  public:
    Llama()
        : Dense({.name = "llama",
                 .hf_types = {"llama", "mistral"},
                 .hf_names = &kLlamaHfNames,
                 .windows = Windows::all,
                 .biases = {{"attn_", "attention_bias"}, {"ffn_", "mlp_bias"}}}) {}

  protected:
    using Dense::read_more;
    /// The two types differ in what they have beside the same weights.
    Status read_more(const JsonFile & config, Hparams & h, HfConfig & out) const override {
        std::string type;
        QL_TRY(config.text("model_type", type));
        for (const HfBiases & biases : out.biases)
            if (biases.there && type == "mistral")
                return error(QL_UNSUPPORTED, "a model of type '%s' has no biases, but %s is set", type.c_str(),
                             biases.key);
        const auto windowed =
            std::find_if(h.layers.begin(), h.layers.end(), [](const LayerShape & l) { return l.window > 0; });
        if (type == "mistral" || windowed == h.layers.end()) return {};
        return error(QL_UNSUPPORTED, "a sliding window of %lld tokens is not supported in a model of type '%s'",
                     static_cast<long long>(windowed->window), type.c_str());
    }
};

}  // namespace

const Architecture & llama_architecture() {
    static const Llama instance;
    return instance;
}

}  // namespace ql
