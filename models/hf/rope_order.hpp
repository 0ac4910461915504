// The order of q's and k's rows. Hugging Face rotates element j of a head with j + d/2; GGUF files of llama-type models
// hold rows so that pairs are neighbours. Per head of d rows, Hugging Face's row h * d/2 + j (h = 0, 1) is GGUF's 2j +
// h. A wrong order gives no error, only bad text, so every permutation of the project goes through these two functions.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ql {

/// GGUF's row of Hugging Face's row `row`, for heads of `head_dim` rows (even).
constexpr int64_t gguf_row_of_hf_row(int64_t row, int64_t head_dim) {
    const int64_t in_head = row % head_dim, half = head_dim / 2;
    return row - in_head + 2 * (in_head % half) + in_head / half;
}

/// The inverse.
constexpr int64_t hf_row_of_gguf_row(int64_t row, int64_t head_dim) {
    const int64_t in_head = row % head_dim, half = head_dim / 2;
    return row - in_head + in_head / 2 + (in_head % 2) * half;
}

/// Copies `rows` rows of row_bytes each; src and dst must not overlap.
inline void rows_to_gguf_order(const void * src, void * dst, int64_t rows, size_t row_bytes, int64_t head_dim) {
    for (int64_t row = 0; row < rows; ++row)
        std::memcpy(static_cast<char *>(dst) + static_cast<size_t>(gguf_row_of_hf_row(row, head_dim)) * row_bytes,
                    static_cast<const char *>(src) + static_cast<size_t>(row) * row_bytes, row_bytes);
}

/// The inverse.
inline void rows_to_hf_order(const void * src, void * dst, int64_t rows, size_t row_bytes, int64_t head_dim) {
    for (int64_t row = 0; row < rows; ++row)
        std::memcpy(static_cast<char *>(dst) + static_cast<size_t>(row) * row_bytes,
                    static_cast<const char *>(src) + static_cast<size_t>(gguf_row_of_hf_row(row, head_dim)) * row_bytes,
                    row_bytes);
}

}  // namespace ql
