// Memory of leaves: it belongs to the graph, one piece for each leaf and device.
#pragma once
#include "ggml/plan/list.hpp"
#include "ql/status.hpp"

namespace ql {

/// Gives the leaf storage on the value's device where it has none: zeros; a frozen weight is uploaded once, or used
/// where it is if the device reads host memory.
Status settle_leaf(const Value & leaf);
/// Where a settled leaf's bytes are on the value's device.
void * leaf_address(const Value & leaf);

}  // namespace ql
