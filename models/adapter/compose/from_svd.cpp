#include "models/adapter/compose/from_svd.hpp"

#include <algorithm>
#include <cmath>

namespace ql {

LoraMatrix from_svd(const ThinSvd & svd, const std::string & weight, int64_t k, int64_t m) {
    LoraMatrix to{weight, k, m, std::max<int64_t>(static_cast<int64_t>(svd.s.size()), 1), 1, {}, {}};
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

Status check_rank(const char * command, int64_t rank, int64_t highest, int64_t least) {
    if (rank >= least && rank <= highest) return {};
    return error(QL_INVALID_ARGUMENT, "%s: rank %lld; 1 to %lld are possible with these linears", command,
                 static_cast<long long>(rank), static_cast<long long>(highest));
}

int64_t highest_rank(const Adapter & adapter) {
    int64_t highest = 0;
    for (const LoraMatrix & m : adapter.matrices) highest = std::max(highest, std::min(m.k, m.m));
    return highest;
}

}  // namespace ql
