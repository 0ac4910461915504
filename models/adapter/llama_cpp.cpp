// Read in llama.cpp's src/llama-adapter.cpp (what loads), src/llama-graph.cpp (build_lora_mm, build_inp_embd) and
// src/models/*.cpp: a weight given to ggml_mul_mat itself, not to build_lora_mm, has no adapter there. Graphs of
// multi-token prediction are left out. tests/interop/adapter_rules_test.py tries rows in the program itself.
#include "models/adapter/llama_cpp.hpp"

#include <algorithm>

namespace ql {
namespace {

/// Linears of an architecture that are multiplied without adapters, each with a blank before and after it.
struct Unadapted {
    std::string_view architecture, linears;
};

constexpr Unadapted kUnadapted[] = {
    {"bailingmoe3",
     " output ssm_beta ssm_f_a ssm_g_a attn_k_b attn_v_b attn_kv_a_mqa attn_output attn_q attn_q_a attn_q_b "
     "attn_gate "},
    {"deepseek2", " output attn_k_b attn_v_b attn_kv_a_mqa attn_kv_b attn_q attn_q_a attn_q_b "},
    {"deepseek2-ocr", " output attn_k_b attn_v_b attn_kv_a_mqa attn_kv_b attn_q attn_q_a attn_q_b "},
    {"mistral4", " output attn_k_b attn_v_b attn_kv_a_mqa attn_kv_b attn_q attn_q_a attn_q_b "},
    {"deepseek32",
     " output attn_k_b attn_v_b attn_kv_a_mqa attn_q_a attn_q_b indexer.attn_k indexer.attn_q_b indexer.proj "},
    {"deepseek4", " output attn_output_a "},
    {"dflash", " conf_proj "},
    {"dots3note",
     " output attn_k_b attn_v_b attn_kv_a_mqa attn_q_a attn_q_b indexer.attn_k indexer.attn_q_b indexer.proj "},
    {"gemma3n", " altup_proj altup_router altup_unembd_proj per_layer_model_proj "},
    {"gemma4", " per_layer_model_proj "},
    {"gemma4-assistant", " nextn.pre_projection nextn.post_projection "},
    {"glm-dsa",
     " output attn_k_b attn_v_b attn_kv_a_mqa attn_q_a attn_q_b indexer.attn_k indexer.attn_q_b indexer.proj "},
    {"glm5-next",
     " output attn_k_b attn_v_b attn_kv_a_mqa attn_output attn_q_a attn_q_b indexer.attn_k indexer.attn_q_b "
     "indexer.proj "
     "indexer_compressor_gate ssm_beta ssm_f_a ssm_f_b ssm_g_a ssm_g_b "},
    {"graniteswitch", " attn_qkv attn_output "},
    {"hy_v4",
     " output attn_k_b attn_v_b attn_kv_a_mqa attn_q_a attn_q_b attn_gate indexer.attn_k indexer.attn_q_b "
     "indexer.proj "},
    {"kimi-k3",
     " output attn_k_b attn_v_b attn_kv_a_mqa attn_kv_b attn_output attn_q attn_q_a attn_q_b attn_gate ffn_down "
     "ffn_down_shexp ffn_gate ffn_gate_inp ffn_gate_shexp ffn_routed_down ffn_routed_up ffn_up ffn_up_shexp ssm_beta "
     "ssm_f_a ssm_f_b ssm_g "},
    {"kimi-linear",
     " output attn_k_b attn_v_b attn_kv_a_mqa attn_kv_b attn_output attn_q attn_qkv ssm_beta ssm_f_a ssm_f_b ssm_g_a "
     "ssm_g_b "},
    {"minicpm3", " attn_kv_a_mqa attn_kv_b attn_q_a attn_q_b "},
    {"nemotron_h", " ffn_latent_down ffn_latent_up "},
    {"nemotron_h_moe", " ffn_latent_down ffn_latent_up "},
    {"plm", " attn_kv_a_mqa attn_kv_b attn_q "},
    {"rwkv6", " time_mix_decay_w1 time_mix_decay_w2 time_mix_w1 "},
    {"rwkv6qwen2", " time_mix_decay_w1 time_mix_decay_w2 time_mix_w1 "},
    {"rwkv7", " time_mix_a1 time_mix_a2 time_mix_g1 time_mix_g2 time_mix_v1 time_mix_v2 time_mix_w1 time_mix_w2 "},
    {"arwkv7", " time_mix_a1 time_mix_a2 time_mix_g1 time_mix_g2 time_mix_v1 time_mix_v2 time_mix_w1 time_mix_w2 "},
};

/// "blk.3.attn_q.weight" -> "attn_q"; "output.weight" -> "output".
std::string_view linear_name(std::string_view weight) {
    if (weight.ends_with(".weight")) weight.remove_suffix(std::string_view(".weight").size());
    if (!weight.starts_with("blk.")) return weight;
    const size_t dot = weight.find('.', std::string_view("blk.").size());
    return dot == weight.npos ? weight : weight.substr(dot + 1);
}

}  // namespace

LlamaCppUse llama_cpp_use(std::string_view architecture, const LoraMatrix & matrix) {
    if (matrix.kind == LoraKind::dora)
        return {LlamaCppUse::kRefused,
                "a DoRA has a third tensor, of which it knows no use; to-lora makes a plain LoRA of it, or merge it"};
    const std::string_view weight = matrix.weight, linear = linear_name(weight);
    if (weight == "token_embd.weight")
        return {LlamaCppUse::kRefused, "an embedding's A and B are expected the other way round"};
    if (linear.ends_with("_exps"))
        return {LlamaCppUse::kRefused, "experts need A and B with a third dimension; these end the process"};
    if (weight.ends_with("_norm.weight")) return {LlamaCppUse::kIgnored, "norms take no adapter"};
    if (!weight.ends_with(".weight") || matrix.m == 1) return {LlamaCppUse::kIgnored, "vectors take no adapter"};
    const auto * const row = std::find_if(std::begin(kUnadapted), std::end(kUnadapted),
                                          [&](const Unadapted & u) { return u.architecture == architecture; });
    const std::string padded = " " + std::string(linear) + " ";
    if (row != std::end(kUnadapted) && row->linears.find(padded) != row->linears.npos)
        return {LlamaCppUse::kIgnored, "its graph of this architecture multiplies by the weight alone"};
    return {};
}

}  // namespace ql
