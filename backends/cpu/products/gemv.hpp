// y = W x for a few tokens: bound by reading W, so it is decoded in registers and used at once.
#pragma once
#include "backends/cpu/pool.hpp"
#include "backends/cpu/products/weight.hpp"

namespace ql::cpu {

/// Up to this many tokens the product goes token by token along W's rows; measured: see gemv.cpp.
inline constexpr int64_t kGemvRows = 4;

/// y [m, rows] = W x [k, rows]. Always in f32: where products compute in bf16 this is the more exact, at the same
/// speed.
void gemv(Pool & pool, const Weight & w, const float * x, int64_t rows, float * y);

}  // namespace ql::cpu
