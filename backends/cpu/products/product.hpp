// Sums of products with weights, y = W x or z = W^T y, by the path that fits: few tokens, f32, bf16.
#pragma once
#include <span>

#include "backends/cpu/device.hpp"
#include "backends/cpu/products/gemm.hpp"

namespace ql::cpu {

/// scale W a (forward) or scale W^T a (backward) for each of the tokens: a [depth, rows].
struct Product {
    Weight w;
    Side side = Side::forward;
    const float * a = nullptr;
    float scale = 1;

    int64_t columns() const { return side == Side::forward ? w.m : w.k; }
    int64_t depth() const { return side == Side::forward ? w.k : w.m; }
};

/// c [columns, rows] = (add +) the sum of at most kMaxTerms products; add may be c, or null.
struct ProductSum {
    std::span<const Product> products;
    int64_t rows = 0;
    float * c = nullptr;
    const float * add = nullptr;
};

/// Bytes; a, c and add are not looked at.
size_t product_scratch(const ProductSum & s, const CpuDevice & cpu);
void multiply(CpuDevice & cpu, const ProductSum & s, std::byte * scratch);

}  // namespace ql::cpu
