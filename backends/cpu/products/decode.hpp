// Decoding a span of a weight to f32, as fast as the device's instruction set can.
#pragma once
#include "backends/cpu/products/weight.hpp"

namespace ql::cpu {

/// Elements [first, first + count) of the weight to dst. Of a blocked format, first is a multiple of its run (64 of the
/// nf4 types, else 32) and so is count; of f32, f16, bf16 both are any.
using SpanDecoder = void (*)(const Weight & w, int64_t first, int64_t count, float * dst);

/// The decoder of a type under the present choice of instruction set (targets.hpp).
SpanDecoder span_decoder(ql_dtype dtype);

}  // namespace ql::cpu
