// One row of W + s B A. The order of its sums is a promise: whoever merges an adapter, and whoever trains with the
// weights that a merge will give, must have the same bits.
#pragma once
#include <cstdint>
#include <cstring>

namespace ql {

/// w[i] += s * (b[0] A[i, 0] + b[1] A[i, 1] + ...): the sum from zero and in order, each product and each sum rounded to
/// f32 by itself. w [k] is a row of W, A [k, r], b [r] the row of B. Eight vectors of sums, the smallest that every
/// processor has, fill half of its registers: with one, each addition would wait for the one before.
inline void add_merged_row(float * __restrict w, const float * __restrict a, const float * __restrict b, int64_t k,
                           int64_t r, float s) {
    using Four = float __attribute__((vector_size(16)));
    constexpr int kSums = 8;
    constexpr int64_t kStep = kSums * 4;
    int64_t i = 0;
    for (; i + kStep <= k; i += kStep) {
        Four sums[kSums] = {}, x;
        for (int64_t j = 0; j < r; ++j) {
            const float * const row = a + j * k + i;
#pragma GCC unroll 8
            for (int v = 0; v < kSums; ++v) {
                std::memcpy(&x, row + 4 * v, sizeof x);
                sums[v] += b[j] * x;
            }
        }
#pragma GCC unroll 8
        for (int v = 0; v < kSums; ++v) {
            std::memcpy(&x, w + i + 4 * v, sizeof x);
            x += s * sums[v];
            std::memcpy(w + i + 4 * v, &x, sizeof x);
        }
    }
    for (; i < k; ++i) {
        float sum = 0;
        for (int64_t j = 0; j < r; ++j) sum += b[j] * a[j * k + i];
        w[i] += s * sum;
    }
}

}  // namespace ql
