// A state of an optimizer in 8 bits: codes of a dynamic map, i8 as the parameter, and for each block of 256 consecutive
// elements of the whole tensor (the last may be short) the largest magnitude, f32: 1 + 4 / 256 bytes an element.
//                                                                            (Dettmers et al. 2022, as bitsandbytes does)
//
// All is computed in f32, each operation rounded by itself: the codes are the same on every machine.
#pragma once
#include <algorithm>
#include <cmath>

#include "ggml/dtypes/dynamic_map.hpp"
#include "ggml/ops/optimizer.hpp"

namespace ql {

inline constexpr int64_t kStateBlock = QL_STATE_BLOCK;

constexpr int64_t state_blocks(int64_t n) {
    return (n + kStateBlock - 1) / kStateBlock;
}

/// What numbers of a block are multiplied by to lie in [-1, 1]. Where that is no number, all of them count as 0.
inline float block_factor(float absmax) {
    const float factor = 1 / absmax;
    return std::isfinite(factor) && std::isfinite(absmax) ? factor : 0;
}

/// A block of up to kStateBlock elements. A code whose sign is not that of its number moves by one towards it.
inline void encode_state(const DynamicMap & map, const float * x, int64_t n, uint8_t * codes, float & absmax) {
    absmax = 0;
    for (int64_t i = 0; i < n; ++i) absmax = std::max(absmax, std::fabs(x[i]));
    const float factor = block_factor(absmax);
    for (int64_t i = 0; i < n; ++i) {
        codes[i] = dynamic_code(map, factor > 0 ? x[i] * factor : 0.0f);
        if (std::signbit(map[codes[i]]) != std::signbit(x[i]))
            codes[i] = static_cast<uint8_t>(codes[i] + (x[i] > 0 ? 1 : -1));
    }
}

inline void decode_state(const DynamicMap & map, const uint8_t * codes, float absmax, int64_t n, float * x) {
    for (int64_t i = 0; i < n; ++i) x[i] = map[codes[i]] * absmax;
}

/// Sources i and i + 1 are such a state of source 0: its codes, its scales.
Status expect_blockwise_state(const Node & n, int i);

/// The two inputs of a case. A code of either map is as good as another: they are any bytes.
CaseInput codes_in(Shape s);
CaseInput absmax_in(Shape s);

}  // namespace ql
