// Functions of one number, and their derivatives: what `unary` computes element by element.
#pragma once
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {

/// Kinds numbered after the public ones: they have parameters and builders of their own.
inline constexpr int32_t kUnaryClamp = QL_UNARY_N, kUnarySoftCap = QL_UNARY_N + 1, kUnaryKinds = QL_UNARY_N + 2;

/// The function's value, or its derivative's, in f64. NaN for NaN.
double unary_value(const UnaryParams & p, double x);

}  // namespace ql
