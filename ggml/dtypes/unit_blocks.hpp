// Formats whose weights are whole units times a scale of 16 or more of them, which are only read (mxfp4 apart): each says
// where its units and scales lie, and its decoders, scalar and in vectors, follow.
//
// Such a Format has, for run number `run` of a block, 32 weights:
//     units(block, run, q)    the units
//     scales(block, run, s)   the scales of its two halves of 16; both are exact to multiply with a unit or rounded as
//                             upstream rounds
#pragma once
#include <cstring>

#include "ggml/dtypes/block_format.hpp"
#include "ggml/dtypes/half.hpp"

namespace ql {

inline constexpr int kUnitRun = 32;

template <class Format, class B, int64_t length>
struct UnitBlocks {
    using Block = B;
    static constexpr bool quantised = true;
    static constexpr int64_t block_length = length;
    static constexpr bool has_units = true;
    [[gnu::always_inline]] static constexpr size_t bytes(int64_t n) { return bytes_of_blocks(n, length, sizeof(B)); }

    static void decode_block(const Block & block, float * y);
    static void decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst);
};

/// The low and high halves of 16 bytes: elements j and j + 16 of a run.
[[gnu::always_inline]] inline void look_up_nibbles(const uint8_t * codes, const int8_t * values, int8_t * q) {
    for (int j = 0; j < 16; ++j) {
        q[j] = values[codes[j] & 15];
        q[j + 16] = values[codes[j] >> 4];
    }
}

}  // namespace ql
