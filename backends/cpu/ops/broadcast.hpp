// Splits operators on two tensors, the second of which may be repeated (ggml/ops/broadcast.hpp).
#pragma once
#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"
#include "ggml/ops/broadcast.hpp"

namespace ql::cpu {

/// Calls f(first, second, n, one) for stretches of a: n elements from number `first` on, with n of b's from `second`
/// on, or `one`: with that single element of b for all. Pieces of kPiece elements where nothing is repeated, else rows.
template <typename F>
void split_broadcast(const Launch & l, const F & f) {
    const Shape a = l.in(0).shape, b = l.in(1).shape;
    Pool & pool = device_of(l).pool;
    if (a == b) {
        split(pool, a.elements(), kPiece, [&](int64_t i, int64_t end) { f(i, i, end - i, false); });
        return;
    }
    split_rows(pool, a.rows(), a[0], [&](int64_t row, int64_t end) {
        for (; row < end; ++row) f(row * a[0], repeated_row(a, b, row) * b[0], a[0], b[0] == 1);
    });
}

}  // namespace ql::cpu
