// Memory of leaves: it belongs to the graph, one piece for each leaf and device.
#pragma once
#include <span>

#include "ggml/plan/list.hpp"
#include "ql/status.hpp"

namespace ql {

/// Gives leaves storage on their values' devices where they have none: zeros; a frozen weight is uploaded once, or used
/// where it is if the device reads host memory. The uploads run side by side; all are done, or none counts as done.
Status settle_leaves(std::span<const Value * const> leaves);
/// Where a settled leaf's bytes are on the value's device.
void * leaf_address(const Value & leaf);

}  // namespace ql
