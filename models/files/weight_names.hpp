// How GGUF files name the weights of a layer and their biases: "blk.3.attn_q.weight", "blk.3.attn_q.bias".
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace ql {

constexpr std::string_view kLayers = "blk.";
constexpr const char *kEmbedding = "token_embd.weight", *kHead = "output.weight";

/// "blk.3." of layer 3.
std::string layer_prefix(int64_t layer);
/// "blk.3.attn_q.weight" of layer 3 and "attn_q".
std::string linear_weight(int64_t layer, std::string_view linear);
/// 3 of "blk.3.attn_q.weight"; -1 for a name that belongs to no layer.
int64_t layer_of(std::string_view name);
/// "attn_q" of "blk.3.attn_q.weight"; "" for a name that is not a layer's weight.
std::string_view linear_of(std::string_view weight);

/// "blk.3.attn_q.bias" of "blk.3.attn_q.weight".
std::string bias_of(std::string_view weight);
/// "blk.3.attn_q.scale" of "blk.3.attn_q.weight": a factor of the whole tensor.
std::string scale_of(std::string_view weight);
/// "blk.3.attn_q.input_scale": a factor of what the weight is multiplied with, for kernels that round that to 4 bits.
std::string input_scale_of(std::string_view weight);
/// The inverse of bias_of; a weight's own name for a weight.
std::string weight_of(std::string_view name);

}  // namespace ql
