// Where the sums of a bf16 product go, for its vector and its tile kernels.
//
// Included by translation units that are compiled for AVX-512 BF16 and entered only where the processor has it.
#pragma once
#include "backends/cpu/avx512.inl"
#include "backends/cpu/products/depth_blocks.hpp"

namespace ql::cpu {
namespace {

/// From the first row and column of a tile.
struct TargetBf16 {
    float * c;  // one of the two
    uint16_t * c_half;
    Half half;
    const float * add;
    int64_t ldc;
    int64_t columns;  // that exist
};

/// A result in 16 bits has one block.
inline TargetBf16 target(const GemmBf16 & g, const DepthBlock & block, int64_t at, int64_t columns) {
    const float * add = block.first ? g.add : g.c;
    return {g.c_half ? nullptr : g.c + at,
            g.c_half ? g.c_half + at : nullptr,
            g.half,
            add ? add + at : nullptr,
            g.ldc,
            columns};
}

/// 16 sums, `at` elements from the first.
[[gnu::always_inline]] inline void store_sums(__m512 y, const TargetBf16 & to, int64_t at, __mmask16 there) {
    if (to.add) y = _mm512_add_ps(_mm512_maskz_loadu_ps(there, to.add + at), y);
    if (to.c) return _mm512_mask_storeu_ps(to.c + at, there, y);
    const __m256i rounded =
        to.half == Half::bf16 ? (__m256i)_mm512_cvtneps_pbh(y) : _mm512_cvtps_ph(y, _MM_FROUND_TO_NEAREST_INT);
    _mm256_mask_storeu_epi16(to.c_half + at, there, rounded);
}

}  // namespace
}  // namespace ql::cpu
