// cap tanh(x / cap), which never leaves (-cap, cap), where operators apply it on their way.        (Bello et al. 2016)
#pragma once
#include <cmath>

#include "ql/status.hpp"

namespace ql {

/// x itself where the cap is 0.
inline double soft_capped(double x, double cap) {
    return cap > 0 ? cap * std::tanh(x / cap) : x;
}
/// The derivative of that by x, from the capped value.
inline double soft_cap_slope(double capped, double cap) {
    return cap > 0 ? 1 - capped / cap * (capped / cap) : 1;
}

/// Of an operator's cap that is given and not a number above 0.
inline Status soft_cap_error(const char * op, float cap) {
    return error(QL_INVALID_ARGUMENT, "%s: the soft cap is %g, it must be above 0", op, static_cast<double>(cap));
}

}  // namespace ql
