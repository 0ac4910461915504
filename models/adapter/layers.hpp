// Which layers of a model an adapter is put on.
#pragma once
#include <string>
#include <vector>

#include "ql/status.hpp"

namespace ql {

/// "0-9,20,-1": numbers and ranges, both ends included; a negative number counts from the end, -1 is the last layer.
/// "": all of them.                          returns  a flag for each layer
/// errors  QL_INVALID_ARGUMENT: neither a number nor a range; a layer that the model does not have; an empty range
Result<std::vector<bool>> select_layers(const std::string & text, int64_t n_layer);

}  // namespace ql
