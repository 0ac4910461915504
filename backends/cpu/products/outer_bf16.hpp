// Sums over tokens of outer products with few rows: the gradients of LoRA's matrices.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "backends/cpu/pool.hpp"

namespace ql::cpu {

/// c [n, r] = scale sum_t right[t] left[t]^T, or its transpose [r, n] where `turned`. right [n, tokens] of bf16, left
/// [r, tokens] of f32, rounded to bf16 here; sums are f32, over pairs of tokens in their order.
struct OuterBf16 {
    const uint16_t * right = nullptr;
    int64_t n = 0;
    const float * left = nullptr;
    float scale = 1;
    float * c = nullptr;
    bool turned = false;
};

/// Bytes for so many sums of r rows.
size_t outer_scratch(size_t sums, int64_t r, int64_t tokens);
/// All at once. Only where the processor has AVX-512 BF16.
void outer_sums(Pool & pool, std::span<const OuterBf16> sums, int64_t r, int64_t tokens, std::byte * scratch);

}  // namespace ql::cpu
