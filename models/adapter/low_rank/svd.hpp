// The best approximation of a matrix by one of low rank, without computing all singular vectors of the matrix.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "models/adapter/low_rank/panels.hpp"

namespace ql {

/// M ~ U diag(s) V^T with the largest singular values, in descending order.
struct ThinSvd {
    std::vector<double> s;
    Panels u, v;         // a column for each: of u m numbers, of v k numbers
    double squares = 0;  // of all of M

    /// Squares of what the approximation holds; what it leaves has the others.
    double kept() const {
        double sum = 0;
        for (const double x : s) sum += x * x;
        return sum;
    }
};

/// How many of the values are kept: at most `rank`, and where `energy` is below 1 only so many that their squares make up
/// this part of all.
struct Truncation {
    int64_t rank;
    double energy = 1;
};

/// B A of [m, k]: B [r, m] and A [k, r], innermost first, times a factor.
struct ProductTerm {
    const float *a, *b;
    int64_t r;
    double factor;
};

/// The decomposition of a sum of products, exactly: by orthonormal bases of all B and of all A, and the small matrix
/// between them. Values that are zero are left out.
ThinSvd svd_of_products(std::span<const ProductTerm> terms, int64_t m, int64_t k, Truncation keep);

/// Of a whole matrix, by block Krylov spaces that begin again from the best vectors so far, until the sum of the squares
/// stands still; a small matrix exactly.                                                       (Musco, Musco 2015)
/// still    the part of that sum that may come with one more space: where much less than all digits do, more saves time
ThinSvd svd_of_matrix(const DenseMatrix & d, int64_t rank, int threads, double still = 1e-9);

}  // namespace ql
