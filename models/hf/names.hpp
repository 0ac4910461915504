// How Hugging Face's tensor names correspond to GGUF's. Each architecture has one table, read in both directions:
// models and PEFT adapters are imported with it, PEFT adapters exported.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ql {

/// The two names of one tensor.
struct HfName {
    std::string_view hf, gguf;
};

/// A matrix of a stack: GGUF has the experts of a layer in one tensor, Hugging Face has a tensor for each.
struct HfExpert {
    std::string stack;  // the GGUF name
    int64_t expert = 0;
};

class HfNames {
  public:
    /// `whole` are whole names, `layer` what stands behind "model.layers.N." and "blk.N.". `experts` do so too, with a
    /// '*' where Hugging Face's name has the expert's number. All are borrowed.
    constexpr HfNames(std::span<const HfName> whole, std::span<const HfName> layer,
                      std::span<const HfName> experts = {})
        : whole_(whole), layer_(layer), experts_(experts) {}

    /// "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight"; nothing for a name that is not in the table.
    std::optional<std::string> gguf_name(std::string_view hf_name) const;
    /// The inverse.
    std::optional<std::string> hf_name(std::string_view gguf_name) const;
    /// "model.layers.3.mlp.experts.12.up_proj.weight" -> "blk.3.ffn_up_exps.weight", expert 12; nothing for other names.
    std::optional<HfExpert> expert(std::string_view hf_name) const;
    /// "attn_q" of PEFT's "q_proj": the last word of a module inside a block of a layer; "" where there is none.
    std::string_view linear_of_module(std::string_view word) const;

  private:
    std::span<const HfName> whole_, layer_, experts_;
};

/// True for tensors that old files carry and that nothing needs (rotary_emb.inv_freq follows from the config).
bool is_ignored_hf_name(std::string_view hf_name);

}  // namespace ql
