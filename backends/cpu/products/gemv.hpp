// y = (add +) sum_i s_i W_i x_i for a few tokens: bound by reading the weights, so they are decoded in registers and
// used at once.
#pragma once
#include "backends/cpu/products/product.hpp"

namespace ql::cpu {

/// Forward products alone, at most kGemvRows tokens. Where products compute in bf16, only those of nf4 weights do so
/// here: the f32 kernels of the others keep up with memory.
void gemv(CpuDevice & cpu, const ProductSum & s, std::byte * scratch);
/// Bytes of scratch; a, c and add are not looked at.
size_t gemv_scratch(const ProductSum & s, const CpuDevice & cpu);

}  // namespace ql::cpu
