// What the files hold against what the architecture needs: every weight that is needed is there in its shape, and every
// tensor is accounted for - one that the graph does not read would be missing from every result without a word.
#pragma once
#include "models/model/architecture.hpp"
#include "models/model/weights.hpp"

namespace ql {

/// errors  QL_UNSUPPORTED: a tensor that would not be used, or a vector of another type than f32; QL_BAD_FILE: a tensor
/// is missing or has another shape; QL_NON_FINITE: a norm, bias or factor is no number. The message names the tensor.
Status check_weights(const ModelParts & parts, const Architecture & architecture);

}  // namespace ql
