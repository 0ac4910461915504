// Gemma 3, text: norms before and after both halves of a layer, and on each head of q and k; GeGLU; scaled embeddings;
// five layers with a window and a rope of their own, then one that sees all keys.          (Gemma Team 2025)
#include <cmath>

#include "models/dense/dense.hpp"
#include "models/dense/names.hpp"
#include "models/dense/query_scale.hpp"

namespace ql {
namespace {

constexpr auto kGemma3LayerNames = joined(kFourNormNames, kQkNormNames, kAttentionNames, kFeedForwardNames);
constexpr HfNames kGemma3HfNames(kWholeNames, kGemma3LayerNames);

constexpr int64_t kGemma3LayersOf27B = 62;

class Gemma3 : public Dense {
  public:
    Gemma3()
        : Dense({.name = "gemma3",
                 .hf_types = {"gemma3_text"},
                 .hf_names = &kGemma3HfNames,
                 .rope_mode = QL_ROPE_NEOX,
                 .rows = RowOrder::hugging_face,
                 .local_rope = true,
                 .post_norms = true,
                 .qk_norm = QkNorm::head,
                 .shifted_norms = true,
                 .gate = Gate::gelu,
                 .windows = Windows::periodic,
                 .window_period = 6,
                 .numbers = {kLogitCap},
                 .biases = {{"attn_", "attention_bias"}, {"ffn_", nullptr}}}) {}

  protected:
    /// GGUF files do not hold the scale of attention: the largest model alone takes it from its width.
    Status read_more(const GgufKeys &, Hparams & h) const override {
        h.embedding_scale = std::sqrt(static_cast<float>(h.n_embd));
        if (h.n_layer() == kGemma3LayersOf27B) h.attention_scale = scale_of_width(h);
        return {};
    }
    Status read_more(const JsonFile & config, Hparams & h, HfConfig &) const override {
        h.embedding_scale = std::sqrt(static_cast<float>(h.n_embd));
        return read_query_scale(config, h);
    }
};

}  // namespace

const Architecture & gemma3_architecture() {
    static const Gemma3 instance;
    return instance;
}

}  // namespace ql
