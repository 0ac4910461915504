// The files' tensors compared with what the architecture needs: every needed weight is there in its shape, and every
// tensor is used. One that the graph does not read would silently be missing from every result.
#pragma once
#include "models/model/architecture.hpp"
#include "models/model/weights.hpp"

namespace ql {

/// errors  QL_UNSUPPORTED: a tensor that would not be used, or a vector of a type other than f32; QL_BAD_FILE: a tensor
/// is missing or has another shape; QL_NON_FINITE: a norm, bias or factor is no number. The message names the tensor.
Status check_weights(const ModelParts & parts, const Architecture & architecture);

}  // namespace ql
