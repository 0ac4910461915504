// Copies a box of elements to its place in the result.
// Split: rows of the result, about kPiece elements a task. Traffic: a read and a write. Rows that are contiguous in the
// source are copied whole. Rows that are not - the innermost dimension comes from another one - are taken in squares of
// kSquare x kSquare elements with the dimension that is contiguous, so that every cache line is used while it is
// in cache.
#include "backends/cpu/ops/moves.hpp"

#include <cstring>

#include "backends/cpu/split.hpp"

namespace ql::cpu {
namespace {

constexpr int64_t kSquare = 16;  // f32 of a cache line

struct Box {
    const char * from;
    char * to;
    Move move;
    size_t bytes;  // of an element

    const char * source(int64_t at) const { return from + static_cast<size_t>(at) * bytes; }
    char * target(int64_t at) const { return to + static_cast<size_t>(at) * bytes; }
};

template <typename T>
void copy_strided(const char * from, int64_t stride, char * to, int64_t n) {
    const T * x = reinterpret_cast<const T *>(from);
    T * y = reinterpret_cast<T *>(to);
    if (stride == 0) {
        std::fill_n(y, n, *x);
        return;
    }
    for (int64_t i = 0; i < n; ++i) y[i] = x[i * stride];
}

/// n elements of one row, from and to elements of those numbers.
void copy_run(const Box & box, int64_t from, int64_t to, int64_t n) {
    const int64_t stride = box.move.from_strides[0];
    if (stride == 1)
        std::memcpy(box.target(to), box.source(from), static_cast<size_t>(n) * box.bytes);
    else if (box.bytes == 4)
        copy_strided<uint32_t>(box.source(from), stride, box.target(to), n);
    else if (box.bytes == 2)
        copy_strided<uint16_t>(box.source(from), stride, box.target(to), n);
    else
        copy_strided<uint8_t>(box.source(from), stride, box.target(to), n);
}

/// Rows [first, last) of dimension 1 of the plane at (i2, i3).
void copy_rows(const Box & box, int64_t i2, int64_t i3, int64_t first, int64_t last) {
    const Move & m = box.move;
    const Strides &from = m.from_strides, &to = m.to_strides;
    const int64_t from_plane = m.from + i2 * from[2] + i3 * from[3], to_plane = m.to + i2 * to[2] + i3 * to[3];
    const bool squares = from[0] > 1 && from[1] == 1;
    const int64_t columns = squares ? kSquare : m.shape[0], rows = squares ? kSquare : last - first;
    for (int64_t r = first; r < last; r += rows)
        for (int64_t c = 0; c < m.shape[0]; c += columns)
            for (int64_t i = r; i < std::min(r + rows, last); ++i)
                copy_run(box, from_plane + i * from[1] + c * from[0], to_plane + i * to[1] + c,
                         std::min(columns, m.shape[0] - c));
}

}  // namespace

void run_move(const Launch & l, const Move & move) {
    const Box box{static_cast<const char *>(l.src[move.source]), static_cast<char *>(l.out[0]), move,
                  ql_dtype_bytes(l.in(move.source).dtype, 1)};
    const Shape & s = move.shape;
    split_rows(device_of(l).pool, s.rows(), s[0], [&](int64_t row, int64_t end) {
        while (row < end) {
            const int64_t plane = row / s[1], first = row % s[1], last = std::min(s[1], first + end - row);
            copy_rows(box, plane % s[2], plane / s[2], first, last);
            row += last - first;
        }
    });
}

}  // namespace ql::cpu
