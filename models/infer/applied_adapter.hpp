// Adapters as they are applied to a forward graph.
#pragma once
#include <deque>
#include <span>
#include <vector>

#include "models/adapter/adapter.hpp"
#include "models/adapter/kinds/kind.hpp"
#include "models/graph/builder.hpp"

namespace ql {

/// An adapter as it is applied: with the user's factor.
struct AppliedAdapter {
    const Adapter * adapter;
    float factor = 1.0f;
};

/// What a DoRA adds where it is applied with a factor f: y += rows W x + f s B' (A x), with rows = f (c - 1), B' = c B.
struct AppliedDora {
    std::vector<float> rows;  // [m]
    std::vector<float> b;     // [r, m]
};

/// Of each DoRA matrix of the adapters, in their order: c = g / |W + s B A| by rows, computed on the device.
Result<std::deque<AppliedDora>> apply_doras(const Model & model, ql_device * device,
                                            std::span<const AppliedAdapter> adapters);

/// Makes leaves out of the adapters' matrices (read in place: they outlive the graph, as `doras` does, which are
/// theirs) and attaches them to a builder. `first`: the number of the first adapter in the leaves' names.
void attach_adapters(GraphBuilder & b, std::span<const AppliedAdapter> adapters, const std::deque<AppliedDora> & doras,
                     size_t first = 0);

}  // namespace ql
