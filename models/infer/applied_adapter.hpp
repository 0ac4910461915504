// Adapters as they are applied to a forward graph.
#pragma once
#include <deque>
#include <map>
#include <span>
#include <string>
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

/// errors  QL_INVALID_ARGUMENT: no factor that adapter number i can be applied with
Status check_factor(size_t i, float factor);

/// What a DoRA adds where it is applied with a factor f: y += rows W x + f s B' (A x), with rows = f (c - 1), B' = c B.
struct AppliedDora {
    std::vector<float> rows;  // [m]
    std::vector<float> b;     // [r, m]
};

/// Rows of a weight that adapters put in the place of the model's: w + sum of f (w' - w).
struct AppliedRows {
    std::vector<int32_t> ids;          // ascending
    std::vector<float> values, minus;  // [n, number of ids]; minus the model's own
};

/// What applying adapters to a model is computed from, besides their matrices: memory of leaves.
struct AppliedParts {
    std::deque<AppliedDora> doras;                    // of each DoRA matrix, in the adapters' order
    std::map<std::string, std::vector<float>> norms;  // in place of the model's: w + sum of f (w' - w)
    std::map<std::string, AppliedRows> rows;          // by weight
};

/// c = g / |W + s B A| of DoRAs is computed on the device.
/// has_budget   what is read of the model for that does not stay in memory
Result<AppliedParts> apply_parts(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                 bool has_budget = false);

/// Makes leaves out of the adapters' matrices and parts (read in place: they outlive the graph) and attaches them to a
/// builder. `first`: the number of the first adapter in the leaves' names.
void attach_adapters(GraphBuilder & b, std::span<const AppliedAdapter> adapters, const AppliedParts & parts,
                     size_t first = 0);

}  // namespace ql
