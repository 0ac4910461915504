// The file formats of adapters, and the check that both reading and writing share.
#pragma once
#include <string>
#include <string_view>

#include "models/adapter/adapter.hpp"
#include "models/model/model.hpp"

namespace ql {

/// Whether a weight of this name is a norm's: "blk.0.attn_norm.weight".
inline bool is_norm(std::string_view weight) {
    return weight.ends_with("_norm.weight");
}

/// A linear of the model that takes this branch: the weight is one of the model's linears and A, B have its sides.
/// `what` names the tensor in messages.
Status check_fits(const Model & model, const std::string & weight, int64_t k, int64_t m, const std::string & what);

/// The whole adapter: each weight once, sizes agree, ranks at least 1, all numbers finite; and that architecture and
/// every branch fit the model, where that is at hand.
Status check_adapter(const Adapter & adapter, const Model * model);

/// model: null if it is not at hand; what only it can say is then not checked.
Result<Adapter> load_gguf_adapter(const std::string & path, const Model * model);
Result<Adapter> load_peft_adapter(const std::string & directory, const Model & model);

}  // namespace ql
