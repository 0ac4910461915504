// The values of a weight, whatever its type, times the scale of the whole tensor.
#pragma once
#include "models/model/weights.hpp"

namespace ql {

/// Elements [first, first + count), `first` at the start of a block.          errors  those of ql_decode
Status read_values(const Weight & w, int64_t first, int64_t count, float * to);

}  // namespace ql
