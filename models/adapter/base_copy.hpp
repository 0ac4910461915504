// PEFT writes embedding and head into the file of an adapter that changes the head, as they are in the base. There is
// nothing to load from such a copy. A copy that differs from the model belongs to another base, or was trained.
#pragma once
#include <optional>
#include <string>

#include "models/files/safetensors.hpp"
#include "models/model/model.hpp"

namespace ql {

/// The model's weight that a tensor is a copy of, "token_embd.weight" or the head's; nothing for other tensors.
std::optional<std::string> copied_weight(const Model & model, std::string_view tensor);

/// errors  QL_BAD_FILE: it differs by more than the rounding of the model's type
Status check_copy(const Model & model, const std::string & weight, const SafeTensor & copy);

}  // namespace ql
