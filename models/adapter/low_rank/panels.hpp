// Tall matrices of few columns, and their products with large matrices: all that a truncated decomposition multiplies.
// Sums are in double, in an order that shapes alone decide, so every machine and every number of threads gives the same
// bits.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ql {

/// A matrix [rows, columns] in panels of eight columns: eight numbers of a row lie together, rows below one another.
/// Columns past the last are zero.
class Panels {
  public:
    static constexpr int64_t kWidth = 8;

    Panels() = default;
    Panels(int64_t rows, int64_t columns)
        : rows_(rows), columns_(columns), values_(static_cast<size_t>(rows * padded(columns))) {}

    static constexpr int64_t padded(int64_t n) { return (n + kWidth - 1) / kWidth * kWidth; }
    int64_t rows() const { return rows_; }
    int64_t columns() const { return columns_; }
    int64_t panels() const { return padded(columns_) / kWidth; }
    double * panel(int64_t p) { return values_.data() + p * rows_ * kWidth; }
    const double * panel(int64_t p) const { return values_.data() + p * rows_ * kWidth; }
    double & at(int64_t row, int64_t column) { return panel(column / kWidth)[row * kWidth + column % kWidth]; }
    double at(int64_t row, int64_t column) const { return panel(column / kWidth)[row * kWidth + column % kWidth]; }

  private:
    int64_t rows_ = 0, columns_ = 0;
    std::vector<double> values_;
};

/// A matrix of m rows of k numbers that somebody else keeps.
struct DenseMatrix {
    const float * values;
    int64_t m, k;
};

/// D X: [m, columns of X]
Panels multiply(const DenseMatrix & d, const Panels & x, int threads);
/// D^T Y: [k, columns of Y]
Panels multiply_transposed(const DenseMatrix & d, const Panels & y, int threads);
/// X^T Y: [columns of X, padded; columns of Y]
Panels inner_products(const Panels & x, const Panels & y);
/// G += X^T X: panels above the diagonal and on it alone, which have all of it twice. G [columns of X, padded; the same]
void add_gram(const Panels & x, Panels & g);
/// X C, C [columns of X, or more; n]
Panels combine(const Panels & x, const Panels & c);
/// X, with the columns of Y behind its own.
Panels beside(const Panels & x, const Panels & y);

}  // namespace ql
