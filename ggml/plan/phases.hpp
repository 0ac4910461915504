// Phases: runs of nodes of one place of the model. Between two phases a plan may read and drop pages of weights, and go
// over to its next lane.
#pragma once
#include <vector>

#include "ggml/plan/list.hpp"

namespace ql {

/// Where each phase begins, and the number of nodes. The backward pass of the last place belongs to the phase of
/// its forward pass, as both use the same weights.
std::vector<size_t> phase_begins(const PlanList & list);

/// The phase of a node.
size_t phase_of(const std::vector<size_t> & begins, size_t node);

}  // namespace ql
