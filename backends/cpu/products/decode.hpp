// Decoding a span of a weight to f32, as fast as the device's instruction set can.
#pragma once
#include "backends/cpu/products/weight.hpp"

namespace ql::cpu {

/// Decodes elements [first, first + count) of the weight to dst. For a blocked format, first and count are multiples of
/// its run (64 for the nf4 types, else 32); for f32, f16, bf16 both are any.
using SpanDecoder = void (*)(const Weight & w, int64_t first, int64_t count, float * dst);

/// The decoder of a type under the present choice of instruction set (targets.hpp).
SpanDecoder span_decoder(ql_dtype dtype);

/// Blocks as they lie in memory; of a planar format, those of its codes. Their lengths are powers of two.
struct PackedBlocks {
    int shift;  // log2 of the length
    int64_t bytes;
};
PackedBlocks packed_blocks(ql_dtype dtype);

/// Asks for the bytes of elements [first, first + count), which may lie past the weight's end.
[[gnu::always_inline]] inline void fetch_packed(const Weight & w, const PackedBlocks & blocks, int64_t first,
                                                int64_t count) {
    const auto * data = static_cast<const char *>(w.data);
    const char * last = data + ((first + count - 1) >> blocks.shift) * blocks.bytes;
    for (const char * at = data + (first >> blocks.shift) * blocks.bytes; at < last; at += 64) __builtin_prefetch(at);
    __builtin_prefetch(last);
}

}  // namespace ql::cpu
