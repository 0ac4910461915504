// Phi-3, Phi-3.5, Phi-4: Llama with q, k and v in one weight, gate and up in another, and perhaps a window, a part of a
// head that is rotated, and two sets of rope factors.                             (Abdin et al. 2024; Ding et al. 2024)
// llama.cpp leaves the window out ("currently disabled"): a text longer than it is computed otherwise there.
#include "models/dense/dense.hpp"
#include "models/dense/names.hpp"

namespace ql {
namespace {

constexpr std::array kFusedNames = {
    HfName{"self_attn.qkv_proj.weight", "attn_qkv.weight"},
    HfName{"self_attn.o_proj.weight", "attn_output.weight"},
    HfName{"mlp.gate_up_proj.weight", "ffn_up.weight"},
    HfName{"mlp.down_proj.weight", "ffn_down.weight"},
};
constexpr auto kPhi3LayerNames = joined(kPreNormNames, kFusedNames);
constexpr HfNames kPhi3HfNames(kWholeNames, kPhi3LayerNames);

}  // namespace

const Architecture & phi3_architecture() {
    static const Dense instance({.name = "phi3",
                                 .hf_types = {"phi3"},
                                 .hf_names = &kPhi3HfNames,
                                 .rope_mode = QL_ROPE_NEOX,
                                 .rows = RowOrder::hugging_face,
                                 .partial_rope = true,
                                 .gate_in_up = true,
                                 .windows = Windows::all});
    return instance;
}

}  // namespace ql
