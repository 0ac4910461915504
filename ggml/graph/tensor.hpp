// A tensor as the engine sees it: what it is, who makes it, and (for leaves) where its bytes are.
#pragma once
#include <string>

#include "ggml/graph/shape.hpp"
#include "ql/backend.h"
#include "ql/tensor.h"

namespace ql {

struct Node;

enum class TensorKind : uint8_t {
    input,   // written by the caller before a run
    weight,  // frozen, borrowed memory
    param,   // trainable f32
    state,   // outlives a run; operators may change it in place
    result,  // of an operator; lives in a plan's arena
};

/// Memory of a leaf on a device, or borrowed host memory (device null).
struct Storage {
    ql_device * device = nullptr;
    void * data = nullptr;
    size_t bytes = 0;
};

}  // namespace ql

struct ql_tensor {
    ql_graph * graph = nullptr;
    ql::TensorKind kind = ql::TensorKind::input;
    ql_dtype dtype = QL_F32;
    ql::Shape shape;
    std::string name;
    ql::Node * producer = nullptr;  // null for leaves
    int out_index = 0;              // which of the producer's results
    ql_tensor * alias = nullptr;    // the tensor whose storage this one is (reshape, in-place operators)
    bool requires_grad = false;     // a parameter is upstream
    ql::Storage storage;            // leaves own it; outputs of the plan that ran last borrow it

    int64_t ne(int i) const { return shape[i]; }
    bool is_leaf() const { return producer == nullptr; }
    /// The tensor at the end of the alias chain: the one that owns the bytes.
    const ql_tensor * root() const {
        const ql_tensor * t = this;
        while (t->alias) t = t->alias;
        return t;
    }
    size_t bytes() const { return ql_dtype_bytes(dtype, shape.elements()); }
};

namespace ql {
using Tensor = ::ql_tensor;
/// "'blk.0.ffn_up.weight' (nf4_dq [576, 1536])", for messages.
std::string describe(const Tensor & t);
}  // namespace ql
