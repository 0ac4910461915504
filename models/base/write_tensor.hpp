// Values on the host into a tensor of a graph, from its first element on.
#pragma once
#include <vector>

#include "models/base/last_error.hpp"
#include "ql/tensor.h"

namespace ql {

/// T is the tensor's element type. errors  QL_INVALID_ARGUMENT: more values than it has elements
template <typename T>
Status write_tensor(ql_tensor * tensor, const std::vector<T> & values) {
    return last_error(ql_tensor_write(tensor, values.data(), 0, values.size() * sizeof(T)));
}

}  // namespace ql
