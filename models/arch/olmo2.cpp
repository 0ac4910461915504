// OLMo 2: no norms before the halves of a layer but after them, and over all heads of q and of k at once.
//                                                                                              (OLMo Team 2025)
#include "models/dense/dense.hpp"
#include "models/dense/names.hpp"

namespace ql {
namespace {

constexpr std::array kPostNormNames = {
    HfName{"post_attention_layernorm.weight", "post_attention_norm.weight"},
    HfName{"post_feedforward_layernorm.weight", "post_ffw_norm.weight"},
};
constexpr auto kOlmo2LayerNames = joined(kPostNormNames, kQkNormNames, kAttentionNames, kFeedForwardNames);
constexpr HfNames kOlmo2HfNames(kWholeNames, kOlmo2LayerNames);

}  // namespace

const Architecture & olmo2_architecture() {
    static const Dense instance({.name = "olmo2",
                                 .hf_types = {"olmo2"},
                                 .hf_names = &kOlmo2HfNames,
                                 .rope_mode = QL_ROPE_NEOX,
                                 .rows = RowOrder::hugging_face,
                                 .pre_norms = false,
                                 .post_norms = true,
                                 .qk_norm = QkNorm::row,
                                 .biases = {{"attn_", "attention_bias"}, {"ffn_", nullptr}}});
    return instance;
}

}  // namespace ql
