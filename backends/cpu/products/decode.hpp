// Decoding a span of a weight to f32, as fast as the device's instruction set can.
#pragma once
#include "backends/cpu/products/weight.hpp"

namespace ql::cpu {

/// Decodes elements [first, first + count) of the weight to dst. For a blocked format, first and count are multiples of
/// its run (64 for the nf4 types, else 32); for f32, f16, bf16 both are any.
using SpanDecoder = void (*)(const Weight & w, int64_t first, int64_t count, float * dst);

/// The decoder of a type under the present choice of instruction set (targets.hpp).
SpanDecoder span_decoder(ql_dtype dtype);

}  // namespace ql::cpu
