// Qwen3: Llama with norms on each head of q and k, whose length is free.                             (Yang et al. 2025)
#include "models/dense/dense.hpp"
#include "models/dense/names.hpp"

namespace ql {
namespace {

constexpr auto kQwen3LayerNames = joined(kLlamaNames, kQkNormNames);
constexpr HfNames kQwen3HfNames(kWholeNames, kQwen3LayerNames);

}  // namespace

const Architecture & qwen3_architecture() {
    static const Dense instance({.name = "qwen3",
                                 .hf_types = {"qwen3"},
                                 .hf_names = &kQwen3HfNames,
                                 .rope_mode = QL_ROPE_NEOX,
                                 .rows = RowOrder::hugging_face,
                                 .qk_norm = QkNorm::head,
                                 .windows = Windows::upper,
                                 .biases = {{"attn_", "attention_bias"}, {"ffn_", nullptr, false}}});
    return instance;
}

}  // namespace ql
