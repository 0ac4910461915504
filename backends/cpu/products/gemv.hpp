// y = (add +) sum_i s_i W_i x_i for a few tokens: bound by reading the weights, so they are decoded in registers and
// used at once.
#pragma once
#include "backends/cpu/products/product.hpp"

namespace ql::cpu {

/// Forward products alone, at most kGemvRows tokens. Always in f32: where products compute in bf16 this is the more
/// exact, at the same speed.
void gemv(Pool & pool, const ProductSum & s);

}  // namespace ql::cpu
