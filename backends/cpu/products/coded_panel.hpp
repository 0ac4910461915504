// What a micro-kernel of integers is given: rows of codes, and a panel. Codes of neighbouring steps share a unit of 32
// bits: two in 16 bits each (a pair), or, for instructions that multiply bytes, four (a quad).
//
// Those instructions take one operand without a sign. It is A: its bytes are codes + 128, and a sum starts from
// -128 times the sum of B's codes in its block, which takes that away again. Both are whole numbers, so nothing is lost.
#pragma once
#include <cstddef>
#include <cstdint>

#include "backends/cpu/products/pieces.hpp"

namespace ql::cpu {

inline constexpr int32_t kByteBias = 128;  // of A's bytes

/// A stretch of the depth: rows of codes and their scales, and the same of B in the panel.
struct StretchCoded {
    int64_t steps;
    const std::byte * a;
    const float * a_scales;
    int64_t a_row;             // bytes, of both
    const int32_t * b;         // [unit][kGroup]
    const float * b_scales;    // [block][kGroup]
    const int32_t * b_starts;  // [block][kGroup]: what sums of bytes start from
};
struct StretchesCoded {
    StretchCoded stretch[kMaxTerms];
    int n = 0;
    int64_t block;  // steps with a scale in common
};

/// Rows from t on by the kernel's width of columns, from column j of the stretches' B.
using MicroKernelCoded = void (*)(const StretchesCoded &, int64_t t, int64_t j, const TargetF32 &);

/// Kernels by products that are summed up in the same instruction, by number of rows less one.
struct CodedKernels {
    int64_t width;  // columns of a micro-kernel; groups are a multiple of it
    MicroKernelCoded pairs[kTile], quads[kTile];
};

}  // namespace ql::cpu
