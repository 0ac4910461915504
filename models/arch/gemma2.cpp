// Gemma 2: norms before and after both halves of a layer, GeGLU, scaled embeddings, soft caps on attention and logits;
// every other layer has a window.                                                          (Gemma Team 2024)
#include <cmath>

#include "models/dense/dense.hpp"
#include "models/dense/names.hpp"
#include "models/dense/query_scale.hpp"

namespace ql {
namespace {

constexpr auto kGemma2LayerNames = joined(kFourNormNames, kAttentionNames, kFeedForwardNames);
constexpr HfNames kGemma2HfNames(kWholeNames, kGemma2LayerNames);

constexpr int64_t kGemma2LayersOf27B = 46;

/// The caps of files that do not say them.
constexpr NumberSetting with_default(NumberSetting number, float missing) {
    number.missing = missing;
    return number;
}

class Gemma2 : public Dense {
  public:
    Gemma2()
        : Dense({.name = "gemma2",
                 .hf_types = {"gemma2"},
                 .hf_names = &kGemma2HfNames,
                 .rope_mode = QL_ROPE_NEOX,
                 .rows = RowOrder::hugging_face,
                 .post_norms = true,
                 .shifted_norms = true,
                 .gate = Gate::gelu,
                 .windows = Windows::periodic,
                 .window_period = 2,
                 .numbers = {with_default(kAttentionCap, 50), with_default(kLogitCap, 30)},
                 .biases = {{"attn_", "attention_bias"}, {"ffn_", nullptr}}}) {}

  protected:
    Status read_more(const GgufKeys &, Hparams & h) const override {
        h.embedding_scale = std::sqrt(static_cast<float>(h.n_embd));
        if (h.n_layer() == kGemma2LayersOf27B) h.attention_scale = scale_of_width(h);
        return {};
    }
    Status read_more(const JsonFile & config, Hparams & h, HfConfig &) const override {
        h.embedding_scale = std::sqrt(static_cast<float>(h.n_embd));
        return read_query_scale(config, h);
    }
};

}  // namespace

const Architecture & gemma2_architecture() {
    static const Gemma2 instance;
    return instance;
}

}  // namespace ql
