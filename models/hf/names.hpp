// How Hugging Face's tensor names of llama-type models correspond to GGUF's. One table, read in both directions: models
// and PEFT adapters are imported with it, PEFT adapters exported.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace ql {

/// "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight"; nothing for a name that is not in the table.
std::optional<std::string> gguf_name(std::string_view hf_name);
/// The inverse.
std::optional<std::string> hf_name(std::string_view gguf_name);
/// True for tensors that old files carry and that nothing needs (rotary_emb.inv_freq follows from the config).
bool is_ignored_hf_name(std::string_view hf_name);

}  // namespace ql
