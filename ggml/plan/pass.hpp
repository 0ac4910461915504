// The passes that make a plan's list of nodes: a table, applied from the first row to the last.
//
// A pass before `kernels` looks at nodes, shapes, outputs and the table of kernels alone - never at a device's speed or
// at memory left - so one graph is always rewritten in the same way, and a plan gives the same bits wherever it runs on
// one numeric path.
#pragma once
#include <span>

#include "ggml/backend/device.hpp"
#include "ggml/plan/list.hpp"
#include "ql/status.hpp"

namespace ql {

struct PassInput {
    std::span<Tensor * const> outputs;  // tensors that must be there after a run
    std::span<Device * const> devices;  // the graph's places, in order; at least one
    int recomputed = 0;                 // places of the model whose values are computed again in the backward pass
};

struct Pass {
    const char * name;
    Status (*apply)(PlanList &, const PassInput &);
};

/// Each row has a file of its own, and a test.
std::span<const Pass> passes();

/// Applies every row to an empty list. `checked`: verifies the list after each row.
Status apply_passes(PlanList & list, const PassInput & input, bool checked);

/// The nodes that the outputs need, in order of creation (a topological order, and the order in which operators that
/// change states in place were meant).
Status reach(PlanList & list, const PassInput & input);
/// Nodes that only change leaves in place run as early as they may.
Status hasten(PlanList & list, const PassInput & input);
/// Whether a device has a kernel that takes the node; else why not (QL_UNSUPPORTED, or what the kernel says).
Status takes(const Device & device, const Node & n);

/// A device for every node and value: the one that the graph asks for; where it has no kernel, the CPU; for a view, and
/// for what changes a leaf in place, the one where the bytes are. errors: QL_UNSUPPORTED, QL_INVALID_ARGUMENT
Status place(PlanList & list, const PassInput & input);
Status fuse_head_loss(PlanList & list, const PassInput & input);
Status fuse_swiglu(PlanList & list, const PassInput & input);
Status fuse_product_sums(PlanList & list, const PassInput & input);
/// Holds activations as bf16 where the device's products would round them anyway.
Status narrow(PlanList & list, const PassInput & input);
/// In the first `recomputed` places of the model: what the backward pass needs of a place is computed again there from
/// what other places read, instead of being kept from the forward pass. The same nodes give the same bits.
Status recompute(PlanList & list, const PassInput & input);
/// Operands that are on another device than their node are copied before it, once for all readers until they change;
/// frozen weights are there on every device that reads them.
Status copy_between_devices(PlanList & list, const PassInput & input);
/// The device's kernel for every node. errors: QL_UNSUPPORTED names the first node that it does not run.
Status choose_kernels(PlanList & list, const PassInput & input);
/// A buffer for every result and scratch, with its lifetime; a result takes over a source's where it may.
Status assign_buffers(PlanList & list, const PassInput & input);

}  // namespace ql
