// Encoders of whole blocks by vectors, as fast as the processor has them: every result has the bits of the format's own rule
// (nf4.hpp, fp4.hpp, q4_0.hpp, q8_0.hpp), whatever their width.
#pragma once
#include <cstdint>

#include "ggml/dtypes/fp4.hpp"
#include "ggml/dtypes/nf4.hpp"
#include "ggml/dtypes/q4_0.hpp"
#include "ggml/dtypes/q8_0.hpp"

namespace ql {

/// They return how many blocks were encoded: all, or those before the first that holds a NaN or Inf, or whose scale f16
/// cannot hold.
int64_t encode_nf4_blocks(const float * src, int64_t blocks, uint8_t * codes, float * absmax);
int64_t encode_fp4_blocks(const float * src, int64_t blocks, uint8_t * codes, float * absmax);
int64_t encode_q4_0_blocks(const float * src, int64_t blocks, Q4_0::Block * to);
int64_t encode_q8_0_blocks(const float * src, int64_t blocks, Q8_0::Block * to);

/// One block's codes of nf4, by x * inverse.
void encode_nf4_codes(const float * x, float inverse, uint8_t * codes);

}  // namespace ql
