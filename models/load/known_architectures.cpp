#include "models/load/known_architectures.hpp"

#include <algorithm>
#include <iterator>

namespace ql {
namespace {

struct Known {
    std::string_view name, missing;
};

constexpr Known kKnown[] = {
    // experts
    {"qwen2moe", "experts and their router, a shared expert"},
    {"qwen2_moe", "experts and their router, a shared expert"},
    {"qwen3moe", "experts and their router"},
    {"qwen3_moe", "experts and their router"},
    {"granitemoe", "experts and their router"},
    {"olmoe", "experts and their router"},
    {"phimoe", "experts and their router, LayerNorm"},
    {"mixtral", "experts and their router"},
    {"dbrx", "experts and their router, LayerNorm"},
    {"grok", "experts and their router"},
    {"gpt-oss", "experts and their router, attention sinks, clamped SwiGLU"},
    {"gpt_oss", "experts and their router, attention sinks, clamped SwiGLU"},
    {"llama4", "experts and their router, chunked attention, norms of q and k without weights"},
    {"glm4moe", "experts and their router, a shared expert, layers that predict further tokens"},
    {"glm4_moe", "experts and their router, a shared expert, layers that predict further tokens"},
    {"deepseek", "experts and their router, shared experts"},
    {"deepseek2", "low-rank q, k and v (MLA), experts and their router"},
    {"deepseek_v2", "low-rank q, k and v (MLA), experts and their router"},
    {"deepseek_v3", "low-rank q, k and v (MLA), experts and their router"},
    {"minicpm3", "low-rank q, k and v (MLA)"},
    {"ernie4_5-moe", "experts and their router"},
    {"ernie4_5_moe", "experts and their router"},
    // recurrent layers and hybrids
    {"qwen35", "gated delta-rule layers, gated attention, interleaved M-RoPE"},
    {"qwen35moe", "gated delta-rule layers, gated attention, interleaved M-RoPE, experts and their router"},
    {"qwen3next", "gated delta-rule layers, gated attention, experts and their router"},
    {"qwen3_5", "gated delta-rule layers, gated attention, interleaved M-RoPE"},
    {"qwen3_5_moe", "gated delta-rule layers, gated attention, interleaved M-RoPE, experts and their router"},
    {"qwen3_next", "gated delta-rule layers, gated attention, experts and their router"},
    {"lfm2", "short gated convolutions"},
    {"lfm2moe", "short gated convolutions, experts and their router"},
    {"lfm2_moe", "short gated convolutions, experts and their router"},
    {"granitehybrid", "Mamba-2 layers, experts and their router"},
    {"granitemoehybrid", "Mamba-2 layers, experts and their router"},
    {"falcon-h1", "Mamba-2 beside attention"},
    {"falcon_h1", "Mamba-2 beside attention"},
    {"nemotron_h", "Mamba-2 layers, squared-ReLU feed-forward layers without a gate"},
    {"jamba", "Mamba layers, experts and their router"},
    {"mamba", "Mamba layers"},
    {"mamba2", "Mamba-2 layers"},
    {"rwkv6", "RWKV layers"},
    {"rwkv7", "RWKV layers"},
    // other attention, norms or embeddings
    {"gemma3n", "AltUp, Laurel, per-layer embeddings, sparse activations"},
    {"gemma3n_text", "AltUp, Laurel, per-layer embeddings, sparse activations"},
    {"gemma4", "per-layer embeddings, layers that share keys and values, norms of v, heads of two lengths"},
    {"gemma4_text", "per-layer embeddings, layers that share keys and values, norms of v, heads of two lengths"},
    {"command-r", "LayerNorm without biases, attention and feed-forward side by side"},
    {"cohere", "LayerNorm without biases, attention and feed-forward side by side"},
    {"cohere2", "LayerNorm without biases, attention and feed-forward side by side, layers without rope"},
    {"phi2", "LayerNorm, attention and feed-forward side by side, GELU without a gate"},
    {"phi", "LayerNorm, attention and feed-forward side by side, GELU without a gate"},
    {"nemotron", "LayerNorm with w + 1, squared-ReLU feed-forward layers without a gate"},
    {"olmo", "LayerNorm without weights"},
    {"stablelm", "LayerNorm"},
    {"starcoder2", "LayerNorm, GELU without a gate"},
    {"gpt2", "LayerNorm, learned positions, GELU without a gate"},
    {"gptneox", "LayerNorm, attention and feed-forward side by side, GELU without a gate"},
    {"gpt_neox", "LayerNorm, attention and feed-forward side by side, GELU without a gate"},
    {"falcon", "LayerNorm, attention and feed-forward side by side, GELU without a gate"},
    {"bloom", "LayerNorm, ALiBi, GELU without a gate"},
    {"mpt", "LayerNorm, ALiBi, GELU without a gate"},
    {"chatglm", "its tensor names and keys"},
    {"minicpm", "its keys, which scale embedding, residuals and logits"},
    {"olmo3", "windows beside scaled rope"},
    {"exaone4", "windows with layers without rope, norms after both halves"},
    {"muse_glimmer", "gated attention"},
    // other inputs and outputs
    {"gemma3", "images (gemma3_text is the text model alone)"},
    {"mistral3", "images (ministral3 is the text model alone)"},
    {"mllama", "images and cross-attention"},
    {"qwen2vl", "images, M-RoPE"},
    {"qwen2_vl", "images, M-RoPE"},
    {"qwen2_5_vl", "images, M-RoPE"},
    {"qwen3vl", "images, interleaved M-RoPE"},
    {"qwen3_vl", "images, interleaved M-RoPE"},
    {"bert", "attention to later tokens, LayerNorm"},
    {"nomic-bert", "attention to later tokens, LayerNorm"},
    {"modern-bert", "attention to later tokens, LayerNorm"},
    {"t5", "an encoder, relative positions"},
};

}  // namespace

std::string_view missing_parts(std::string_view name) {
    const auto * const known =
        std::find_if(std::begin(kKnown), std::end(kKnown), [&](const Known & k) { return k.name == name; });
    return known == std::end(kKnown) ? std::string_view() : known->missing;
}

}  // namespace ql
