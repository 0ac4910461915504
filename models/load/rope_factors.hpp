// Rope factors that follow from numbers in a file, as the weight that other files hold them in.
#pragma once
#include "models/model/weights.hpp"

namespace ql {

/// Adds the weights of parts.hparams.rope whose values are known.     errors  QL_BAD_FILE: the file holds one itself
Status add_rope_factors(ModelParts & parts);

}  // namespace ql
