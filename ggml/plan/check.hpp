// What must be true of a plan's list after every pass. A violation is a fault of the pass, never of the user's graph.
#pragma once
#include "ggml/plan/list.hpp"
#include "ql/status.hpp"

namespace ql {

/// Every source is a leaf or was written by an earlier node; every result has one writer; shapes, types and views are
/// what the operator's rule says (types up to narrowing); once buffers are assigned, every read finds in its buffer
/// what was written for it, and every output is there at the end; once kernels are chosen, nodes find their operands on
/// their own device.
Status check_list(const PlanList & list);

/// Once a device's buffers are placed: those that live at the same time have no byte in common.
Status check_layout(const PlanList & list, const Device * device, const Layout & layout);

}  // namespace ql
