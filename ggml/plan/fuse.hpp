// Rewriting a planned list of nodes by rules, before lifetimes are computed.
//
// A rule looks at nodes, shapes and outputs alone - never at a device's speed or at memory left - so the same graph is
// always fused in the same way, and a fused plan gives the same bits wherever it runs on one numeric path.
#pragma once
#include <deque>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ggml/graph/graph.hpp"

namespace ql {

struct Fused {
    std::vector<const Node *> nodes;
    /// Results of dropped nodes -> the result of another node that holds the same values.
    std::unordered_map<const Operand *, const Operand *> same;
    /// Nodes that rules made. Their results are tensors of the nodes that they stand for.
    std::deque<Node> made;
};

struct FuseRule {
    const char * name;
    /// `outputs`: tensors that must be there after a run.
    void (*apply)(Fused & list, const std::unordered_set<const Operand *> & outputs);
};
/// The table, in the order in which rules are applied. Each row has a file fuse_<name>.cpp and a test of its own.
std::span<const FuseRule> fuse_rules();

/// Applies every row.
Fused fuse(std::vector<const Node *> nodes, std::span<Tensor * const> outputs);

}  // namespace ql
