// Adapters as they are applied to a forward graph.
#pragma once
#include <span>

#include "models/adapter/adapter.hpp"
#include "models/graph/builder.hpp"

namespace ql {

/// An adapter as it is applied: with the user's factor.
struct AppliedAdapter {
    const Adapter * adapter;
    float factor = 1.0f;
};

/// Makes leaves out of the adapters' matrices (read in place: they outlive the graph) and attaches them to a builder.
/// `first`: the number of the first adapter in the leaves' names.
void attach_adapters(GraphBuilder & b, std::span<const AppliedAdapter> adapters, size_t first = 0);

}  // namespace ql
