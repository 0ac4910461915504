// nf4: 4-bit NormalFloat. 64 weights share one f32 scale, the block's largest magnitude; a weight is
// codebook[code] * absmax.                                                                     (Dettmers et al. 2023)
//
// A tensor of n weights has n / 64 blocks, in row-major order, and two planes, each starting at a multiple of 64 bytes
// from the tensor's start:
//    codes    32 bytes a block: byte j = code[j] | code[j + 32] << 4
//    absmax   f32 a block
// A byte's codes are half a block apart, not neighbours: a vector of bytes splits into two runs of consecutive weights.
//
// absmax is the scale, which is negative in some blocks of encode_search: nothing in the format forbids that.
//
// Encoding (bitsandbytes 0.50, the same bits): x * (1 / max(absmax, 1e-38)) in f32, then the thresholds of
// codebook.hpp. A block of zeros is code 7 throughout and absmax 0.
#pragma once
#include "ggml/dtypes/block_format.hpp"
#include "ggml/dtypes/codebook.hpp"

namespace ql {

struct Importance;  // scale_search.hpp

/// Planes begin at multiples of this.
inline constexpr size_t kPlaneAlignment = 64;

[[gnu::always_inline]] constexpr size_t align_plane(size_t offset) {
    return (offset + kPlaneAlignment - 1) / kPlaneAlignment * kPlaneAlignment;
}

/// Byte offsets of the planes of an nf4 tensor of n weights.
struct NF4Offsets {
    size_t absmax, end;  // the codes are at 0

    [[gnu::always_inline]] explicit constexpr NF4Offsets(int64_t n)
        : absmax(align_plane(static_cast<size_t>(n) / 2)), end(absmax + static_cast<size_t>(n) / 64 * sizeof(float)) {}
};

/// Where the planes of a tensor in memory are.
struct NF4Layout {
    const uint8_t * codes;
    const float * absmax;

    [[gnu::always_inline]] NF4Layout(const void * tensor, int64_t n)
        : codes(static_cast<const uint8_t *>(tensor)),
          absmax(reinterpret_cast<const float *>(codes + NF4Offsets(n).absmax)) {}
};

struct NF4 {
    static constexpr ql_dtype id = QL_NF4;
    static constexpr const char * name = "nf4";
    static constexpr int64_t block_length = 64;
    static constexpr int64_t block_code_bytes = 32;
    static constexpr bool quantised = true;
    static constexpr int64_t max_elements = INT64_MAX / 2;  // far above any tensor; keeps every size in range

    [[gnu::always_inline]] static constexpr size_t bytes(int64_t n) {
        return n <= 0 || n % block_length != 0 || n > max_elements ? 0 : NF4Offsets(n).end;
    }
    static Status encode(const float * src, int64_t n, void * dst);
    static Status encode_search(const float * src, int64_t n, const Importance & importance,
                                void * dst);  // see improve_blocks
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);

    /// A piece of a tensor: n / 64 blocks to their places in the two planes. For converting a tensor in pieces, on
    /// several threads or without holding all of it in f32; the message of an error counts elements from `first`.
    static Status encode_blocks(const float * src, int64_t n, uint8_t * codes, float * absmax, int64_t first);

    /// Replaces what encode_blocks made of n weights, where another scale (scale_search.hpp) leaves less squared error:
    /// in no block more. A block whose weights are values of the format keeps them exactly.
    static void improve_blocks(const float * src, int64_t n, const Importance & importance, uint8_t * codes,
                               float * scales);
};

}  // namespace ql
