// Cutting streams of numbers into tasks of a fixed size: large enough to be worth waking a thread for, small enough for
// every thread to get some, and independent of the number of threads.
#pragma once
#include <algorithm>

#include "backends/cpu/pool.hpp"

namespace ql::cpu {

/// Elements of a task of an operator that streams: 64 KB of f32 a stream, some 5 microseconds from L2 or L3, against
/// about one for handing out work. What is smaller runs on the calling thread.
inline constexpr int64_t kPiece = 16384;

/// Columns of a task of an operator that sums over rows: 256 bytes of a row, whole cache lines, and enough tasks for a
/// narrow matrix.
inline constexpr int64_t kColumnPiece = 64;

/// Calls f(first, last) for pieces of [0, n).
template <typename F>
void split(Pool & pool, int64_t n, int64_t piece, const F & f) {
    pool.run((n + piece - 1) / piece, [&](int64_t i, int) { f(i * piece, std::min(n, (i + 1) * piece)); });
}

/// Calls f(first, last) for rows of `width` elements, about kPiece elements at a time.
template <typename F>
void split_rows(Pool & pool, int64_t rows, int64_t width, const F & f) {
    split(pool, rows, std::max<int64_t>(1, kPiece / std::max<int64_t>(1, width)), f);
}

}  // namespace ql::cpu
