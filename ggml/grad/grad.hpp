// What a backward rule sees: gradients of the node's results, which sources want one, and where to put theirs.
#pragma once
#include <span>
#include <unordered_map>
#include <vector>

#include "ggml/graph/graph.hpp"
#include "ql/grad.h"

namespace ql {

class GradBuilder {
  public:
    /// sum: the operator that adds two tensors of one shape.
    GradBuilder(Graph & graph, const OpDef & sum, ql_recompute recompute)
        : graph_(graph), sum_(sum), recompute_(recompute) {}

    /// Walks back from the loss; then `gradient` gives the parameters' gradients.
    Status run(Tensor * loss, std::span<Tensor * const> params);

    Graph & graph() { return graph_; }
    /// The gradient of a result, null if the loss does not depend on it.
    Tensor * gradient(const Operand * t) const;
    /// True if a parameter whose gradient is asked for is upstream of the source.
    bool wants(const Operand * t) const;
    /// Adds a contribution to a source's gradient (sums are nodes).
    void add(const Operand * t, Tensor * contribution);
    /// A forward value for use in the backward pass: itself, or a node that computes it again (cheap operators).
    Tensor * value(Tensor * t);

  private:
    Status check(Tensor * loss, std::span<Tensor * const> params) const;
    void mark(std::span<Tensor * const> params, int64_t n_forward);
    Status walk_back(Tensor * loss, std::span<Tensor * const> params);

    Graph & graph_;
    const OpDef & sum_;
    ql_recompute recompute_;
    std::unordered_map<const Operand *, Tensor *> gradients_;
    std::unordered_map<const Operand *, Tensor *> again_;  // recomputed values
    std::unordered_map<const Operand *, bool> wanted_;
};

}  // namespace ql
