#include "models/hf/names.hpp"

#include <algorithm>
#include <iterator>

#include "models/files/weight_names.hpp"

namespace ql {
namespace {

struct Pair {
    std::string_view hf, gguf;
};

constexpr Pair kWhole[] = {
    {"model.embed_tokens.weight", "token_embd.weight"},
    {"model.norm.weight", "output_norm.weight"},
    {"lm_head.weight", "output.weight"},
};

constexpr Pair kLayer[] = {
    // behind "model.layers.N." and "blk.N."
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias"},
    {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.o_proj.bias", "attn_output.bias"},
    {"mlp.gate_proj.bias", "ffn_gate.bias"},
    {"mlp.up_proj.bias", "ffn_up.bias"},
    {"mlp.down_proj.bias", "ffn_down.bias"},
};

constexpr std::string_view kHfLayers = "model.layers.";
constexpr size_t kMaxDigits = 6;

/// Translates `name` by one side of the pairs to the other.
std::optional<std::string> translate(std::string_view name, std::string_view Pair::*from, std::string_view Pair::*to,
                                     std::string_view from_layers, std::string_view to_layers) {
    const auto whole =
        std::find_if(std::begin(kWhole), std::end(kWhole), [&](const Pair & p) { return p.*from == name; });
    if (whole != std::end(kWhole)) return std::string(whole->*to);
    if (!name.starts_with(from_layers)) return {};
    name.remove_prefix(from_layers.size());
    const size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
    const bool canonical = digits >= 1 && digits <= kMaxDigits && (digits == 1 || name[0] != '0');  // "007" is no layer
    if (!canonical || digits == name.size() || name[digits] != '.') return {};
    const std::string_view number = name.substr(0, digits), rest = name.substr(digits + 1);
    const auto row =
        std::find_if(std::begin(kLayer), std::end(kLayer), [&](const Pair & p) { return p.*from == rest; });
    if (row == std::end(kLayer)) return {};
    return std::string(to_layers).append(number).append(".").append(row->*to);
}

}  // namespace

std::optional<std::string> gguf_name(std::string_view hf_name) {
    return translate(hf_name, &Pair::hf, &Pair::gguf, kHfLayers, kLayers);
}

std::optional<std::string> hf_name(std::string_view gguf_name) {
    return translate(gguf_name, &Pair::gguf, &Pair::hf, kLayers, kHfLayers);
}

bool is_ignored_hf_name(std::string_view hf_name) {
    return hf_name.ends_with(".rotary_emb.inv_freq");
}

}  // namespace ql
