// One row of W + s B A. The order of its sums is a promise: whoever merges an adapter, and whoever trains with the
// weights that a merge will give, must have the same bits.
#pragma once
#include <cstdint>

namespace ql {

/// w[i] += s * (b[0] A[i, 0] + b[1] A[i, 1] + ...): the sum from zero and in order, each product and each sum rounded to
/// f32 by itself. w [k] is a row of W, A [k, r], b [r] the row of B.
inline void add_merged_row(float * __restrict w, const float * __restrict a, const float * __restrict b, int64_t k,
                           int64_t r, float s) {
    constexpr int64_t kStep = 16;  // sums at a time, for the compiler to make vectors of
    int64_t i = 0;
    for (; i + kStep <= k; i += kStep) {
        float sums[kStep] = {};
        for (int64_t j = 0; j < r; ++j)
            for (int64_t l = 0; l < kStep; ++l) sums[l] += b[j] * a[j * k + i + l];
        for (int64_t l = 0; l < kStep; ++l) w[i + l] += s * sums[l];
    }
    for (; i < k; ++i) {
        float sum = 0;
        for (int64_t j = 0; j < r; ++j) sum += b[j] * a[j * k + i];
        w[i] += s * sum;
    }
}

}  // namespace ql
