// Rows of the tables of tensor names that models share: an architecture joins them with its own.
#pragma once
#include <array>
#include <cstddef>

#include "models/hf/names.hpp"

namespace ql {

template <size_t... N>
constexpr auto joined(const std::array<HfName, N> &... tables) {
    std::array<HfName, (N + ...)> all{};
    size_t n = 0;
    const auto add = [&](const auto & table) {
        for (const HfName & name : table) all[n++] = name;
    };
    (add(tables), ...);
    return all;
}

inline constexpr std::array kWholeNames = {
    HfName{"model.embed_tokens.weight", "token_embd.weight"},
    HfName{"model.norm.weight", "output_norm.weight"},
    HfName{"lm_head.weight", "output.weight"},
};

inline constexpr std::array kAttentionNames = {
    HfName{"self_attn.q_proj.weight", "attn_q.weight"}, HfName{"self_attn.k_proj.weight", "attn_k.weight"},
    HfName{"self_attn.v_proj.weight", "attn_v.weight"}, HfName{"self_attn.o_proj.weight", "attn_output.weight"},
    HfName{"self_attn.q_proj.bias", "attn_q.bias"},     HfName{"self_attn.k_proj.bias", "attn_k.bias"},
    HfName{"self_attn.v_proj.bias", "attn_v.bias"},     HfName{"self_attn.o_proj.bias", "attn_output.bias"},
};

inline constexpr std::array kFeedForwardNames = {
    HfName{"mlp.gate_proj.weight", "ffn_gate.weight"}, HfName{"mlp.up_proj.weight", "ffn_up.weight"},
    HfName{"mlp.down_proj.weight", "ffn_down.weight"}, HfName{"mlp.gate_proj.bias", "ffn_gate.bias"},
    HfName{"mlp.up_proj.bias", "ffn_up.bias"},         HfName{"mlp.down_proj.bias", "ffn_down.bias"},
};

/// Norms before attention and before the feed-forward layer.
inline constexpr std::array kPreNormNames = {
    HfName{"input_layernorm.weight", "attn_norm.weight"},
    HfName{"post_attention_layernorm.weight", "ffn_norm.weight"},
};

inline constexpr std::array kQkNormNames = {
    HfName{"self_attn.q_norm.weight", "attn_q_norm.weight"},
    HfName{"self_attn.k_norm.weight", "attn_k_norm.weight"},
};

/// Norms before and after both.
inline constexpr std::array kFourNormNames = {
    HfName{"input_layernorm.weight", "attn_norm.weight"},
    HfName{"post_attention_layernorm.weight", "post_attention_norm.weight"},
    HfName{"pre_feedforward_layernorm.weight", "ffn_norm.weight"},
    HfName{"post_feedforward_layernorm.weight", "post_ffw_norm.weight"},
};

/// The layers of Llama and Mistral.
inline constexpr auto kLlamaNames = joined(kPreNormNames, kAttentionNames, kFeedForwardNames);

}  // namespace ql
