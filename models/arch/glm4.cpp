// GLM-4 (0414): norms before and after both halves of a layer, half of a head rotated, by neighbours in Hugging Face's
// order too; biases on q, k and v; gate and up in one weight.                     (GLM Team 2024, transformers' glm4)
#include "models/dense/dense.hpp"
#include "models/dense/names.hpp"

namespace ql {
namespace {

constexpr std::array kGlm4OwnNames = {
    HfName{"input_layernorm.weight", "attn_norm.weight"},
    HfName{"post_self_attn_layernorm.weight", "post_attention_norm.weight"},
    HfName{"post_attention_layernorm.weight", "ffn_norm.weight"},
    HfName{"post_mlp_layernorm.weight", "post_ffw_norm.weight"},
    HfName{"mlp.gate_up_proj.weight", "ffn_up.weight"},
    HfName{"mlp.down_proj.weight", "ffn_down.weight"},
};
constexpr auto kGlm4LayerNames = joined(kGlm4OwnNames, kAttentionNames);
constexpr HfNames kGlm4HfNames(kWholeNames, kGlm4LayerNames);

}  // namespace

const Architecture & glm4_architecture() {
    static const Dense instance({.name = "glm4",
                                 .hf_types = {"glm4"},
                                 .hf_names = &kGlm4HfNames,
                                 .rope_mode = QL_ROPE_NORMAL,
                                 .rows = RowOrder::hugging_face,
                                 .partial_rope = true,
                                 .rotated = 0.5,
                                 .post_norms = true,
                                 .gate_in_up = true,
                                 .biases = {{"attn_output", nullptr}, {"attn_", "attention_bias"}, {"ffn_", nullptr}}});
    return instance;
}

}  // namespace ql
