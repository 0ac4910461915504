// Phases: runs of nodes of one place of the model. Between two phases a plan may read and drop pages, and go over to its
// next lane. Nodes that change leaves in place, such as the steps of an optimizer, are several phases where they would
// need too many leaves at once that are paged out.
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
