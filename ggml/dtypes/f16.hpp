// f16: IEEE binary16 (1 sign, 5 exponent, 10 mantissa bits), little-endian, 2 bytes an element. Overflow becomes Inf.
#pragma once
#include "ggml/dtypes/block_format.hpp"

namespace ql {

struct F16 {
    using Block = uint16_t;
    static constexpr ql_dtype id = QL_F16;
    static constexpr const char * name = "f16";
    static constexpr int64_t block_length = 1;
    static constexpr bool quantised = false;
    static constexpr int file_type = 1;

    [[gnu::always_inline]] static constexpr size_t bytes(int64_t n) { return bytes_of_blocks(n, 1, sizeof(Block)); }
    static Status encode(const float * src, int64_t n, void * dst);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

}  // namespace ql
