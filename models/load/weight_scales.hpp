// Factors of whole tensors, which lie beside them in a GGUF file: given to their weights.
#pragma once
#include <vector>

#include "models/model/weights.hpp"

namespace ql {

/// Sets Weight::scale, and takes the tensors that hold it from the list, with those for other kernels' inputs. One that
/// belongs to no weight stays, and is refused as others that would not be used.
/// errors  those of tensor_scale
Status take_scales(std::vector<Weight> & weights);

}  // namespace ql
