// i8 and i32 differ in their range only: the conversions of both.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>

#include "ql/status.hpp"

namespace ql {

template <class Int>
Status encode_integers(const char * format, const float * src, int64_t n, void * dst) {
    constexpr double kLeast = std::numeric_limits<Int>::min(), kMost = std::numeric_limits<Int>::max();
    for (int64_t i = 0; i < n; ++i) {
        const auto at = static_cast<long long>(i);
        if (!std::isfinite(src[i])) {
            return error(QL_NON_FINITE, "element %lld is %s, which %s cannot hold", at,
                         std::isnan(src[i]) ? "NaN" : "infinite", format);
        }
        const double value = std::nearbyint(static_cast<double>(src[i]));
        if (value < kLeast || value > kMost) {
            return error(QL_INVALID_ARGUMENT, "element %lld is %g, outside the range of %s (%.0f to %.0f)", at,
                         static_cast<double>(src[i]), format, kLeast, kMost);
        }
        static_cast<Int *>(dst)[i] = static_cast<Int>(value);
    }
    return {};
}

template <class Int>
void decode_integers(const void * src, int64_t first, int64_t count, float * dst) {
    const auto * in = static_cast<const Int *>(src) + first;
    for (int64_t i = 0; i < count; ++i) dst[i] = static_cast<float>(in[i]);
}

}  // namespace ql
