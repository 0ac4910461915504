// What DoRA multiplies rows by, of a weight that may have a scale of the whole tensor.
#pragma once
#include "ql/ql.h"

namespace ql {

/// c_i = magnitude_i / |W_i + s (B A)_i|, W = w_scale w; squares_i = |W_i|^2.
///     |W_i + s (B A)_i| = |w_scale| |w_i + (s / w_scale) (B A)_i|
inline ql_tensor * dora_rows(ql_graph * g, ql_tensor * magnitude, ql_tensor * w, float w_scale, ql_tensor * squares,
                             ql_tensor * a, ql_tensor * b, float s) {
    if (w_scale == 1) return ql_dora_scale(g, magnitude, w, squares, a, b, s);
    const float inverse = 1 / w_scale;
    ql_tensor * const stored = ql_scale(g, squares, inverse * inverse, 0);
    return ql_scale(g, ql_dora_scale(g, magnitude, w, stored, a, b, s * inverse), inverse > 0 ? inverse : -inverse, 0);
}

}  // namespace ql
