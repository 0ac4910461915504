// What the kernels of gemv.cpp and gemv_bf16.cpp have in common: the order of a row's pieces, and the
// scales of nf4's blocks.
#pragma once
#include "backends/cpu/products/product.hpp"
#include "ggml/dtypes/nf4_dq.hpp"

namespace ql::cpu {

/// Memory is asked for this many bytes before its turn. The processor's own prefetching ends at pages of 4 KB and
/// starts anew behind each.
inline constexpr int64_t kAheadBytes = 8192;

/// Scales are decoded before they are needed, so many at a time: 8 KB of the L1 cache.
inline constexpr int64_t kMaxScales = 2048;

/// Calls f(row, block, blocks, scales, add) for pieces that make up rows [first, last) of an nf4 weight: `rows` of them
/// from `row` on where a row's scales fit, else one row's blocks [block, block + blocks), whose sums go to `add`.
/// decode(layout, block, n, out) makes the scales of n blocks of nf4_dq, and may write 15 more.
template <typename Decode, typename F>
[[gnu::always_inline]] inline void nf4_pieces(const Weight & w, int64_t first, int64_t last, const float * add,
                                              const float * c, const Decode & decode, const F & f) {
    const int64_t blocks = w.k / NF4::block_length;
    if (w.dtype == QL_NF4) {
        const float * absmax = NF4Layout(w.data, w.elements()).absmax;
        return f(first, last, int64_t{0}, blocks, absmax + first * blocks, add);
    }
    const NF4DQLayout at(w.data, w.elements());
    alignas(64) float scales[kMaxScales + 16];
    const int64_t piece = blocks < kMaxScales ? blocks : kMaxScales;
    const int64_t rows = piece < 1 ? last - first : kMaxScales / piece;
    for (int64_t row = first; row < last; row += rows) {
        const int64_t end = row + rows < last ? row + rows : last;
        for (int64_t block = 0; block == 0 || block < blocks; block += piece) {
            const int64_t n = blocks - block < piece ? blocks - block : piece;
            if (n > 0) decode(at, row * blocks + block, (end - row) * n, scales);
            f(row, end, block, n, scales, block == 0 ? add : c);
            if (piece < 1) break;
        }
    }
}

/// Stores what the first vectors of R rows and T tokens have added up to.
template <int R, int T>
[[gnu::always_inline]] inline void store_dots(const Product & p, int64_t row, const float (&y)[R][T], const float * add,
                                              float * c) {
    for (int r = 0; r < R; ++r)
        for (int64_t t = 0, at = row + r; t < T; ++t, at += p.w.m)
            c[at] = add ? add[at] + p.scale * y[r][t] : p.scale * y[r][t];
}

}  // namespace ql::cpu
