// What the nodes of products have in common: operands in f32 or bf16.
#pragma once
#include "backends/cpu/products/product.hpp"

namespace ql::cpu {

/// A product with source i + 1 of a node as its operand and source i as its weight.
inline Product product_at(const Node & n, const void * const * src, size_t i, Side side, float scale = 1) {
    return {weight_of(*n.src[i], src ? src[i] : nullptr), side, src ? src[i + 1] : nullptr, scale,
            n.src[i + 1]->dtype == QL_BF16};
}

/// Operands stand after their weights: every second source from `first` on. A few tokens are computed in f32.
inline bool product_reads_bf16(const Node & n, size_t source, size_t first) {
    return source >= first && (source - first) % 2 == 0 && n.src[source]->ne(1) > kGemvRows;
}
inline bool product_writes_bf16(const Node & n, size_t) {
    return n.out[0]->ne(1) > kGemvRows;
}

}  // namespace ql::cpu
