// adapter_config.json of an adapter: what PeftConfig reads, as PEFT writes it.
#pragma once
#include <string>

#include "models/adapter/adapter.hpp"

namespace ql {

/// "blk.0.attn_q.weight" -> "model.layers.0.self_attn.q_proj".
/// errors  QL_UNSUPPORTED: a weight that Hugging Face has no name for
Result<std::string> peft_module(const Model & model, const std::string & weight);

/// errors  QL_UNSUPPORTED: ranks that PEFT's config of the kind cannot tell apart; fields from elsewhere that are settings
Result<std::string> peft_config_text(const Adapter & adapter, const Model & model);

}  // namespace ql
