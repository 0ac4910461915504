// The best approximation of a matrix by one of low rank, without computing all singular vectors of the matrix.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "models/base/named_random.hpp"

namespace ql {

/// A matrix [rows, columns] that is only ever multiplied: kept as a product of thin ones, or whole.
struct LinearMap {
    int64_t rows = 0, columns = 0;
    /// y = M x; x has `columns` values, y `rows`
    std::function<void(const double * x, double * y)> apply;
    /// x = M^T y
    std::function<void(const double * y, double * x)> apply_transposed;
};

/// M ~ U diag(s) V^T with the largest singular values, in descending order; fewer than asked for where M has fewer that
/// are not zero.
struct ThinSvd {
    std::vector<double> s;
    std::vector<std::vector<double>> u, v;  // one vector for each: of u `rows` values, of v `columns`
};

/// Subspace iteration with eight vectors more than asked for, until the singular values stand still, then the exact
/// decomposition in that subspace.                                            (Halko, Martinsson, Tropp 2011, section 4.5)
/// random   makes the first subspace
ThinSvd truncated_svd(const LinearMap & map, int64_t rank, NamedRandom random);

}  // namespace ql
