// Rewriting a planned list of nodes by rules, before lifetimes are computed. A rule never changes a bit of a result.
#pragma once
#include <unordered_map>
#include <vector>

#include "ggml/graph/graph.hpp"

namespace ql {

struct Fused {
    std::vector<const Node *> nodes;
    /// Results of dropped nodes -> the result of another node that holds the same values.
    std::unordered_map<const Tensor *, const Tensor *> same;
};

/// Applies every row of the table of rules.
Fused fuse(std::vector<const Node *> nodes);

}  // namespace ql
