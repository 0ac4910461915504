// The order in which top_k takes the elements of a row: its reference and its kernels agree on ties and on NaN.
#pragma once
#include <cmath>
#include <cstdint>

namespace ql {

/// Whether a stands before b among the largest; of equal ones the earlier in the row stays before the later.
template <typename Real>
inline bool larger(Real a, Real b) {
    return a > b || (std::isnan(a) && !std::isnan(b));
}

}  // namespace ql
