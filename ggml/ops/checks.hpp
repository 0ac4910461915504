// Checks that shape rules share beside those of op.hpp. `i` is the number of the source.
#pragma once
#include "ggml/ops/op.hpp"

namespace ql {

/// The matrix of a product or a table: two dimensions, any floating-point or quantised type.
Status expect_weight(const Node & n, int i);
/// f32 with at most two dimensions: [n, T].
Status expect_matrix(const Node & n, int i);
/// f32, f16 or bf16.
Status expect_numbers(const Node & n, int i);
/// The same, with at most two dimensions.
Status expect_rows(const Node & n, int i);
Status expect_shape(const Node & n, int i, const Shape & shape);
/// An f32 tensor that operators may change in place: a state, or a view of one.
Status expect_state(const Node & n, int i);
/// A state of i8 that holds codes: numbers from 0 to 255, whatever their sign as i8.
Status expect_codes(const Node & n, int i);
Status expect_param(const Node & n, int i);
Status expect_f32_or_f16(const Node & n, int i);
/// A state of f32 or f16 with at most two dimensions: operators replace its rows.
Status expect_cache(const Node & n, int i);
/// A matrix that an operator encodes again, in place: a state of a type of weights that can be written.
Status expect_packed_state(const Node & n, int i);
/// A LoRA branch of a weight [k, m]: source i is A [k, r], source i + 1 is B [r, m].
Status expect_branch(const Node & n, int i, const Shape & weight);

/// The shape that a caller of a builder gives: 1 to 4 sizes.
Result<Shape> shape_from(const OpDef & def, int n_dims, const int64_t * ne);

inline bool is_matrix(const Shape & s) {
    return s[2] == 1 && s[3] == 1;
}

}  // namespace ql
