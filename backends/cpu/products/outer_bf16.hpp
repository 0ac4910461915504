// Sums over tokens of outer products with few rows: the gradients of LoRA's matrices.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ql::cpu {

/// Of a launch: those of LoRA's A and B.
inline constexpr size_t kMaxOuterSums = 2;

/// c [n, r] = scale sum_t right[t] left[t]^T, or its transpose [r, n] where `transposed`. right [n, tokens] of bf16,
/// left [r, tokens] of f32, rounded to bf16 here; sums are f32, over pairs of tokens in their order.
struct OuterBf16 {
    const uint16_t * right = nullptr;
    int64_t n = 0;
    const float * left = nullptr;
    float scale = 1;
    float * c = nullptr;
    bool transposed = false;
};

}  // namespace ql::cpu
