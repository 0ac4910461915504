// One row of W + s B A. The order of its sums is a promise: whoever merges an adapter, and whoever trains with the
// weights that a merge will give, must have the same bits. ggml/ops/merged_rows.hpp gives them by vectors.
#pragma once
#include <cstdint>

namespace ql {

/// w[i] += s * (b[0] A[i, 0] + b[1] A[i, 1] + ...): the sum from zero and in order, each product and each sum rounded to
/// f32 by itself. w [k] is a row of W, A [k, r], b [r] the row of B.
inline void add_merged_row(float * w, const float * a, const float * b, int64_t k, int64_t r, float s) {
    for (int64_t i = 0; i < k; ++i) {
        float sum = 0;
        for (int64_t j = 0; j < r; ++j) sum += b[j] * a[j * k + i];
        w[i] += s * sum;
    }
}

}  // namespace ql
