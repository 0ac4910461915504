// i32: two's complement, little-endian, 4 bytes an element: token ids, positions, segments.
// Encoding rounds to the nearest integer, ties to even, and refuses what does not fit.
#pragma once
#include "ggml/dtypes/block_format.hpp"

namespace ql {

struct I32 {
    using Block = int32_t;
    static constexpr ql_dtype id = QL_I32;
    static constexpr const char * name = "i32";
    static constexpr int64_t block_length = 1;
    static constexpr bool quantised = false;

    [[gnu::always_inline]] static constexpr size_t bytes(int64_t n) { return bytes_of_blocks(n, 1, sizeof(Block)); }
    static Status encode(const float * src, int64_t n, void * dst);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

}  // namespace ql
