// Weights that follow from numbers in a file: rope factors, which other files hold as tensors, and what q is multiplied by
// at each position.
#pragma once
#include "models/model/weights.hpp"

namespace ql {

/// Adds those whose values parts.hparams holds.     errors  QL_BAD_FILE: the file holds a tensor of that name itself
Status add_made_weights(ModelParts & parts);

}  // namespace ql
