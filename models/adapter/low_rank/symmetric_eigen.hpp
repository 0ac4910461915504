// Eigenvalues and eigenvectors of a small symmetric matrix.
#pragma once
#include <cstdint>
#include <vector>

namespace ql {

struct SymmetricEigen {
    std::vector<double> values;   // in descending order
    std::vector<double> vectors;  // the i-th is n numbers from i n on
};

/// Reduces A to a tridiagonal matrix by reflections, and that to a diagonal one by QR steps with Wilkinson's shift.
///                                                                       (Golub, Van Loan 2013, sections 8.3.1 to 8.3.5)
/// a    n x n numbers, the same above and below the diagonal
SymmetricEigen symmetric_eigen(std::vector<double> a, int64_t n);

}  // namespace ql
