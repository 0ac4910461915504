// f32: IEEE binary32, little-endian, 4 bytes an element.
#pragma once
#include "ggml/dtypes/block_format.hpp"

namespace ql {

struct F32 {
    using Block = float;
    static constexpr ql_dtype id = QL_F32;
    static constexpr const char * name = "f32";
    static constexpr int64_t block_length = 1;
    static constexpr bool quantised = false;
    static constexpr int file_type = 0;

    [[gnu::always_inline]] static constexpr size_t bytes(int64_t n) { return bytes_of_blocks(n, 1, sizeof(Block)); }
    static Status encode(const float * src, int64_t n, void * dst);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

}  // namespace ql
