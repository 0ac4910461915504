// y = W x and z = W^T y by the path that fits: few tokens, f32, bf16.
#pragma once
#include "backends/cpu/device.hpp"
#include "backends/cpu/products/gemm.hpp"

namespace ql::cpu {

/// C[t, :] = W A[t, :] (forward) or W^T A[t, :] (backward), for `rows` tokens.
struct Product {
    Weight w;
    Side side = Side::forward;
    int64_t rows = 0;

    int64_t columns() const { return side == Side::forward ? w.m : w.k; }
    int64_t depth() const { return side == Side::forward ? w.k : w.m; }
};

size_t product_scratch(const Product & p, const CpuDevice & cpu);
/// a [depth, rows], c [columns, rows].
void multiply(CpuDevice & cpu, const Product & p, const float * a, float * c, std::byte * scratch);

}  // namespace ql::cpu
