// Sums of products with weights, y = W x or z = W^T y, by the path that fits: few tokens, f32, bf16, integers.
#pragma once
#include <span>

#include "backends/cpu/device.hpp"
#include "backends/cpu/products/gemm.hpp"

namespace ql::cpu {

/// scale W a (forward) or scale W^T a (backward) for each of the tokens: a [depth, rows], f32 or - for more than
/// kGemvRows rows of a multiple of 32 elements, where products compute in bf16 - bf16.
struct Product {
    Weight w;
    Side side = Side::forward;
    const void * a = nullptr;
    float scale = 1;
    bool a_bf16 = false;

    const float * a_f32() const { return static_cast<const float *>(a); }

    int64_t columns() const { return side == Side::forward ? w.m : w.k; }
    int64_t depth() const { return side == Side::forward ? w.k : w.m; }
};

/// c [columns, rows] = (add +) the sum of at most kMaxTerms products; add may be c, or null. c is f32, or bf16 where
/// products compute in it.
struct ProductSum {
    std::span<const Product> products;
    int64_t rows = 0;
    void * c = nullptr;
    const float * add = nullptr;
    bool c_bf16 = false;
};

/// Up to this many tokens a forward product goes along W's rows, its operand in f32: gemv.hpp.
inline constexpr int64_t kGemvRows = 4;

/// Bytes of scratch; a, c and add are not looked at.
size_t product_scratch(const ProductSum & s, const CpuDevice & cpu);
void multiply(CpuDevice & cpu, const ProductSum & s, std::byte * scratch);

}  // namespace ql::cpu
