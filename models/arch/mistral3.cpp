// Ministral 3 and its kin: Llama with YaRN, whose q grows with its position. The text model alone: model_type ministral3.
//                                                                             (Mistral AI 2025, transformers' ministral3)
#include "models/dense/dense.hpp"
#include "models/dense/names.hpp"
#include "models/dense/temperature.hpp"

namespace ql {
namespace {

constexpr HfNames kMistral3HfNames(kWholeNames, kLlamaNames);

class Mistral3 : public Dense {
  public:
    Mistral3()
        : Dense({.name = "mistral3",
                 .hf_types = {"ministral3"},
                 .hf_names = &kMistral3HfNames,
                 .temperature = true,
                 .windows = Windows::all,
                 .biases = {{"attn_", nullptr}, {"ffn_", nullptr}}}) {}

  protected:
    using Dense::read_more;
    Status read_more(const GgufKeys & keys, Hparams & h) const override {
        float scale = 0;
        int64_t original = 0;
        QL_TRY(keys.number("attention.temperature_scale", scale, 0.0f));
        if (scale == 0) return {};
        QL_TRY(keys.size("rope.scaling.original_context_length", original));
        return set_temperature(static_cast<double>(scale), static_cast<double>(original), h);
    }
};

}  // namespace

const Architecture & mistral3_architecture() {
    static const Mistral3 instance;
    return instance;
}

}  // namespace ql
