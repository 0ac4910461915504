// What the formats share: sizes that cannot overflow, and the loops over blocks.
//
// Everything in the formats' headers is a constant, a declaration, or always_inline: a kernel file compiled for AVX-512
// must not leave behind an AVX-512 copy of an inline function that the linker then picks for every other caller.
#pragma once
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "ql/dtype.h"
#include "ql/status.hpp"

namespace ql {

static_assert(std::endian::native == std::endian::little, "the formats are little-endian and are used in place");

/// n / block_length * block_bytes; 0 where n is negative, not a multiple, or the product does not fit an int64_t.
[[gnu::always_inline]] constexpr size_t bytes_of_blocks(int64_t n, int64_t block_length, size_t block_bytes) {
    if (n < 0 || n % block_length != 0) return 0;
    const int64_t n_blocks = n / block_length;
    if (n_blocks > std::numeric_limits<int64_t>::max() / static_cast<int64_t>(block_bytes)) return 0;
    return static_cast<size_t>(n_blocks) * block_bytes;
}

/// What follows from a quantised format's Block and block_length.
template <class Format>
struct BlockFormat {
    static constexpr bool quantised = true;
    [[gnu::always_inline]] static constexpr size_t bytes(int64_t n) {
        return bytes_of_blocks(n, Format::block_length, sizeof(typename Format::Block));
    }
};

/// The largest |x| of N floats as its bit pattern, which orders like the number; above 0x7f7fffff where one is NaN or
/// Inf.
template <int N>
[[gnu::always_inline]] inline uint32_t max_magnitude_bits(const float * x) {
    constexpr int kLanes = 16;  // independent maxima, so that the compiler can use vectors of any width up to 16
    static_assert(N % kLanes == 0);
    int32_t m[kLanes] = {};
    for (int j = 0; j < N; j += kLanes) {
        for (int l = 0; l < kLanes; ++l) {
            const int32_t a = std::bit_cast<int32_t>(x[j + l]) & 0x7fffffff;
            m[l] = a > m[l] ? a : m[l];
        }
    }
    int32_t most = 0;
    for (int l = 0; l < kLanes; ++l) most = m[l] > most ? m[l] : most;
    return static_cast<uint32_t>(most);
}

inline constexpr uint32_t kInfBits = 0x7f800000;

/// Why block number `block`, which starts at x, could not be encoded: the element that is NaN or Inf, or the scale.
Status refused_block(const char * format, const float * x, int64_t block_length, int64_t block);

/// Encodes block after block; Format::encode_block returns false where a value or the scale cannot be represented.
template <class Format>
Status encode_blocks(const float * src, int64_t n, void * dst) {
    auto * out = static_cast<typename Format::Block *>(dst);
    for (int64_t i = 0; i < n / Format::block_length; ++i) {
        const float * x = src + i * Format::block_length;
        if (!Format::encode_block(x, out[i])) return refused_block(Format::name, x, Format::block_length, i);
    }
    return {};
}

template <class Format>
void decode_blocks(const void * src, int64_t first, int64_t count, float * dst) {
    const auto * in = static_cast<const typename Format::Block *>(src) + first / Format::block_length;
    for (int64_t i = 0; i < count / Format::block_length; ++i)
        Format::decode_block(in[i], dst + i * Format::block_length);
}

}  // namespace ql
