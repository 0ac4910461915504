// The operators. ops.def lists the names; this header expands them.
#pragma once
#include "ggml/ir/op_def.hpp"

namespace ql {

enum class Op : uint16_t {
#define QL_OP(name) name,
#include "ggml/ops/ops.def"
    count
};

namespace op {
#define QL_OP(name) extern const OpDef name;
#include "ggml/ops/ops.def"
}  // namespace op

/// All operators, in the order of `Op`.
inline const OpDef * const kOps[] = {
#define QL_OP(name) &op::name,
#include "ggml/ops/ops.def"
};
inline constexpr size_t kOpCount = static_cast<size_t>(Op::count);

/// The operator's row in tables that are indexed by its number.
inline size_t op_index(const OpDef * def) {
    return static_cast<size_t>(def->number);
}

// Checks that shape rules share. `what` is the operator's name; i the source.
Status expect_f32(const Node & n, int i);
Status expect_i32(const Node & n, int i);
Status expect_same_shape(const Node & n, int i, int j);
Status shape_error(const Node & n, const char * rule);  // "mul_mat: inner sizes differ: [4096, 32], [2048, 7]"

}  // namespace ql
