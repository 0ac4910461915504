// Qwen2 and Qwen2.5: Llama with biases on q, k and v.                                                (Yang et al. 2024)
#include "models/dense/dense.hpp"
#include "models/dense/names.hpp"

namespace ql {
namespace {

constexpr HfNames kQwen2HfNames(kWholeNames, kLlamaNames);

}  // namespace

const Architecture & qwen2_architecture() {
    static const Dense instance(
        {.name = "qwen2",
         .hf_types = {"qwen2"},
         .hf_names = &kQwen2HfNames,
         .rope_mode = QL_ROPE_NEOX,
         .rows = RowOrder::hugging_face,
         .windows = Windows::upper,
         .biases = {{"attn_output", nullptr, false}, {"attn_", nullptr, true}, {"ffn_", nullptr, false}}});
    return instance;
}

}  // namespace ql
