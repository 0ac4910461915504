// bf16: bfloat16, the upper half of an f32 (1 sign, 8 exponent, 7 mantissa bits), little-endian, 2 bytes an element.
#pragma once
#include "ggml/dtypes/block_format.hpp"

namespace ql {

struct BF16 {
    using Block = uint16_t;
    static constexpr ql_dtype id = QL_BF16;
    static constexpr const char * name = "bf16";
    static constexpr int64_t block_length = 1;
    static constexpr bool quantised = false;
    static constexpr int file_type = 32;

    [[gnu::always_inline]] static constexpr size_t bytes(int64_t n) { return bytes_of_blocks(n, 1, sizeof(Block)); }
    static Status encode(const float * src, int64_t n, void * dst);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

}  // namespace ql
