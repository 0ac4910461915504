// A graph's tensor: an operand that knows who makes it and (for leaves) where its bytes are.
#pragma once
#include <vector>

#include "ggml/ir/node.hpp"
#include "ggml/ir/storage.hpp"
#include "ql/tensor.h"

namespace ql {

struct GraphNode;

}  // namespace ql

struct ql_tensor : ql::Operand {
    ql_graph * graph = nullptr;
    ql::GraphNode * producer = nullptr;  // null for leaves
    bool requires_grad = false;          // a parameter is upstream
    ql::Storage storage;                 // of a leaf: where it lives
    std::vector<ql::Storage> copies;     // of a frozen weight: on devices that do not read host memory
};

namespace ql {
using Tensor = ::ql_tensor;

/// A node of a graph, whose operands are all tensors of that graph.
struct GraphNode : Node {
    int64_t index = 0;         // position in the graph: every source is a leaf or made by an earlier node
    int place = 0;             // where in the model it belongs, say its layer
    bool is_backward = false;  // appended by ql_gradients

    Tensor * source(size_t i) const { return static_cast<Tensor *>(src[i]); }
    Tensor * result(size_t i) const { return static_cast<Tensor *>(out[i]); }
};
}  // namespace ql
