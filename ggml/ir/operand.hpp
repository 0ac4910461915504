// An operand: a tensor as operators see it, be it one of a graph or a value of a plan.
#pragma once
#include <string>

#include "ggml/ir/shape.hpp"
#include "ql/dtype.h"
#include "ql/status.hpp"

namespace ql {

enum class TensorKind : uint8_t {
    input,   // written by the caller before a run
    weight,  // frozen, borrowed memory
    param,   // trainable f32
    state,   // outlives a run; operators may change it in place
    result,  // of an operator; lives in a plan's arena
};

struct Operand {
    TensorKind kind = TensorKind::input;
    ql_dtype dtype = QL_F32;
    Shape shape;
    std::string name;
    Operand * alias = nullptr;  // the operand whose storage this one is (reshape, operators that change in place)
    int may_reuse = -1;         // of a result: the source whose storage it may get if nothing reads the source later

    int64_t ne(int i) const { return shape[i]; }
    bool is_leaf() const { return kind != TensorKind::result; }
    size_t bytes() const { return ql_dtype_bytes(dtype, shape.elements()); }
    /// The operand at the end of the alias chain: the one that owns the bytes.
    const Operand * root() const {
        const Operand * t = this;
        while (t->alias) t = t->alias;
        return t;
    }
};

/// "'blk.0.ffn_up.weight' (nf4_dq [576, 1536])", for messages.
std::string describe(const Operand & t);

/// Whether the operand has bytes [offset, offset + bytes); `what` is who asks, for the message.
Status check_bytes(const Operand & t, size_t offset, size_t bytes, const char * what);

}  // namespace ql
