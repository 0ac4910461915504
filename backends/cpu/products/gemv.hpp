// y = (add +) sum_i s_i W_i x_i for a few tokens: bound by reading the weights, so they are decoded in registers and
// used at once.
#pragma once
#include "backends/cpu/products/dot_rows.hpp"
#include "backends/cpu/products/product.hpp"

namespace ql::cpu {

/// Forward products alone, at most kGemvRows tokens. Where products compute in bf16, only those of nf4 weights do so
/// here: the f32 kernels of the others keep up with memory.
void gemv(CpuDevice & cpu, const ProductSum & s, std::byte * scratch);
/// What else is done with rows of c, on the thread that computes them: before that, so that c is what is added to.
struct RowsBefore {
    const void * context = nullptr;
    void (*call)(const void * context, int64_t first, int64_t last) = nullptr;
};
/// The same after `before`: c is added to what that leaves there, so s.add is c.
void gemv(CpuDevice & cpu, const ProductSum & s, std::byte * scratch, const RowsBefore & before);
/// The kernel of a product in f32 with one token, for a type whose operand stays as it is: f32, f16, bf16.
DotRows dot_rows_of_one(ql_dtype dtype);
/// Bytes of scratch; a, c and add are not looked at.
size_t gemv_scratch(const ProductSum & s, const CpuDevice & cpu);

}  // namespace ql::cpu
