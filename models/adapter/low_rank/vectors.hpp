// Sums over vectors, written so that a compiler makes vector code of them.
#pragma once
#include <cstddef>

namespace ql {

/// sum x_i y_i, in eight partial sums
inline double dot(const double * x, const double * y, size_t n) {
    constexpr size_t kSums = 8;
    double sums[kSums] = {};
    size_t i = 0;
    for (; i + kSums <= n; i += kSums)
        for (size_t s = 0; s < kSums; ++s) sums[s] += x[i + s] * y[i + s];
    for (size_t s = 0; s < n % kSums; ++s) sums[s] += x[i + s] * y[i + s];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/// y += a x
template <typename T>
void add_scaled(T * __restrict y, T a, const T * __restrict x, size_t n) {
    constexpr size_t kStep = 8;
    size_t i = 0;
    for (; i + kStep <= n; i += kStep)
        for (size_t s = 0; s < kStep; ++s) y[i + s] += a * x[i + s];
    for (; i < n; ++i) y[i] += a * x[i];
}

}  // namespace ql
