#include "models/adapter/compose/from_svd.hpp"

#include <cmath>

namespace ql {

LoraMatrix from_svd(const ThinSvd & svd, LoraMatrix to) {
    to.scale = 1;
    to.a.assign(static_cast<size_t>(to.k * to.r), 0);
    to.b.assign(static_cast<size_t>(to.m * to.r), 0);
    for (size_t j = 0; j < svd.s.size(); ++j) {
        const double root = std::sqrt(svd.s[j]);
        const auto column = static_cast<int64_t>(j);
        for (int64_t i = 0; i < to.k; ++i)
            to.a[static_cast<size_t>(column * to.k + i)] = static_cast<float>(root * svd.v.at(i, column));
        for (int64_t i = 0; i < to.m; ++i)
            to.b[static_cast<size_t>(i * to.r + column)] = static_cast<float>(root * svd.u.at(i, column));
    }
    return to;
}

}  // namespace ql
