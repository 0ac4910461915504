#include "models/adapter/starts/principal.hpp"

#include <algorithm>
#include <cmath>

#include "models/adapter/low_rank/svd.hpp"
#include "models/model/weight_values.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

// Of the squares of singular values. A start need not have the largest vectors to all digits: the vectors that a further
// space would exchange belong to values that are as large as theirs.
constexpr double kStill = 1e-4;

}  // namespace

Result<std::vector<float>> weight_values(const Weight & w) {
    std::vector<float> values(static_cast<size_t>(w.elements()));
    QL_TRY(read_values(w, 0, w.elements(), values.data()));
    for (const float v : values)
        if (!std::isfinite(v))
            return error(QL_NON_FINITE, "'%s' holds a value that is not finite: it has no singular vectors",
                         w.name.c_str());
    return values;
}

void set_principal(LoraMatrix & matrix, const std::vector<float> & d, int threads) {
    const ThinSvd svd = svd_of_matrix({d.data(), matrix.m, matrix.k}, matrix.r, threads, kStill);
    std::fill(matrix.a.begin(), matrix.a.end(), 0.0f);  // a matrix of lower rank fills fewer
    std::fill(matrix.b.begin(), matrix.b.end(), 0.0f);
    for (size_t j = 0; j < svd.s.size(); ++j) {
        const double root = std::sqrt(svd.s[j] / static_cast<double>(matrix.scale));
        const auto rank = static_cast<int64_t>(j);
        for (int64_t i = 0; i < matrix.k; ++i)
            matrix.a[static_cast<size_t>(rank * matrix.k + i)] = static_cast<float>(root * svd.v.at(i, rank));
        for (int64_t i = 0; i < matrix.m; ++i)
            matrix.b[static_cast<size_t>(i * matrix.r + rank)] = static_cast<float>(root * svd.u.at(i, rank));
    }
}

}  // namespace ql
