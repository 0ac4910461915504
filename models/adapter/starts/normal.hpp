// Normally distributed values of an adapter, by name as all its random numbers.
#pragma once
#include <string>
#include <vector>

#include "models/base/named_random.hpp"

namespace ql {

/// N(0, 1): each pair of uniform numbers gives a pair of these.                                     (Box, Muller 1958)
std::vector<double> normal_values(size_t n, NamedRandom uniform);

}  // namespace ql
