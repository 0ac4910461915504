#include "models/adapter/starts/normal.hpp"

#include <cmath>
#include <numbers>

namespace ql {

std::vector<double> normal_values(size_t n, NamedRandom uniform) {
    std::vector<double> values(n);
    for (size_t i = 0; i < n; i += 2) {
        const double length = std::sqrt(-2 * std::log(uniform(i))), angle = 2 * std::numbers::pi * uniform(i + 1);
        values[i] = length * std::cos(angle);
        if (i + 1 < n) values[i + 1] = length * std::sin(angle);
    }
    return values;
}

}  // namespace ql
