// What an adapter adds to a linear, as nodes of a graph.
#pragma once
#include <memory>

#include "ql/ql.h"

namespace ql {

class GraphBuilder;

/// A linear that branches are added to.
struct LinearSite {
    ql_tensor * w = nullptr;     // its weight [k, m], as it is stored
    float w_scale = 1;           // times this
    ql_tensor * x = nullptr;     // its input [k, T]
    ql_tensor * base = nullptr;  // W x [m, T]
    ql_tensor * y = nullptr;     // base and the branches before this one
};

class Branch {
  public:
    virtual ~Branch() = default;
    /// y with this branch.
    virtual ql_tensor * add_to(GraphBuilder & b, const LinearSite & site) const = 0;
};
using BranchPtr = std::unique_ptr<const Branch>;

/// On all tokens; else the number that GraphBuilder::add_activation gave.
constexpr int kAlways = -1;

/// y + s B (A drop(x)), A [k, r], B [r, m], on the tokens where the activation is 1; dropout is the builder's.
BranchPtr lora_branch(ql_tensor * a, ql_tensor * b, float scale, int activation = kAlways);

}  // namespace ql
