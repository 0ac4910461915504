#include "models/adapter/low_rank/svd.hpp"

#include <algorithm>
#include <cmath>

#include "common/philox.hpp"
#include "models/adapter/low_rank/symmetric_eigen.hpp"
#include "models/adapter/low_rank/vectors.hpp"

namespace ql {
namespace {

constexpr int64_t kMore = 8;         // vectors more than asked for
constexpr int64_t kBlocks = 4;       // of a Krylov space
constexpr int kMaxRounds = 60;       // of spaces
constexpr double kZero = 1e-13;      // of the largest eigenvalue: what lies below is rounding
constexpr double kSmallest = 1e-12;  // singular value that counts, of the largest

SymmetricEigen eigen_of(const Panels & g, int64_t n) {
    std::vector<double> a(static_cast<size_t>(n * n));
    for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j) a[static_cast<size_t>(i * n + j)] = 0.5 * (g.at(i, j) + g.at(j, i));
    return symmetric_eigen(std::move(a), n);
}

/// The first `count` eigenvectors as columns, each element times a factor of its row and one of its column.
template <typename Row, typename Column>
Panels columns_of(const SymmetricEigen & e, int64_t count, const Row & row, const Column & column) {
    const auto n = static_cast<int64_t>(e.values.size());
    Panels c(Panels::padded(n), count);
    for (int64_t j = 0; j < count; ++j)
        for (int64_t i = 0; i < n; ++i) c.at(i, j) = row(i) * e.vectors[static_cast<size_t>(j * n + i)] * column(j);
    return c;
}
Panels columns_of(const SymmetricEigen & e, int64_t count) {
    const auto one = [](int64_t) { return 1.0; };
    return columns_of(e, count, one, one);
}

/// An orthonormal basis of the columns of X: X D V L^-1/2 with the eigenvalues L of the columns' products, each column
/// brought to length one by D first; twice, as the first time leaves rounding.               (Stathopoulos, Wu 2002)
Panels orthonormal(Panels x) {
    for (int pass = 0; pass < 2; ++pass) {
        Panels g = inner_products(x, x);
        const int64_t n = x.columns();
        std::vector<double> inverse(static_cast<size_t>(n));
        for (int64_t i = 0; i < n; ++i)
            inverse[static_cast<size_t>(i)] = g.at(i, i) > 0 ? 1 / std::sqrt(g.at(i, i)) : 0;
        const auto length = [&](int64_t i) { return inverse[static_cast<size_t>(i)]; };
        for (int64_t i = 0; i < n; ++i)
            for (int64_t j = 0; j < n; ++j) g.at(i, j) *= length(i) * length(j);
        const SymmetricEigen e = eigen_of(g, n);
        int64_t kept = 0;
        while (kept < n && e.values[static_cast<size_t>(kept)] > kZero * e.values[0]) ++kept;
        const auto root = [&](int64_t j) { return 1 / std::sqrt(e.values[static_cast<size_t>(j)]); };
        x = combine(x, columns_of(e, kept, length, root));
    }
    return x;
}

/// X without its part along an orthonormal basis.
Panels without(Panels x, const Panels & basis) {
    const Panels along = combine(basis, inner_products(basis, x));
    for (int64_t p = 0; p < x.panels(); ++p)
        for (int64_t i = 0; i < x.rows() * Panels::kWidth; ++i) x.panel(p)[i] -= along.panel(p)[i];
    return x;
}

Panels transposed(const float * a, int64_t r, int64_t k) {
    Panels t(k, r);
    for (int64_t j = 0; j < r; ++j)
        for (int64_t i = 0; i < k; ++i) t.at(i, j) = static_cast<double>(a[j * k + i]);
    return t;
}

Panels copied(const float * b, int64_t m, int64_t r, double factor) {
    Panels c(m, r);
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < r; ++j) c.at(i, j) = factor * static_cast<double>(b[i * r + j]);
    return c;
}

double squares_of(const DenseMatrix & d) {
    double sum = 0;
    std::vector<double> row(static_cast<size_t>(d.k));
    for (int64_t i = 0; i < d.m; ++i) {
        std::copy_n(d.values + i * d.k, d.k, row.begin());
        sum += dot(row.data(), row.data(), row.size());
    }
    return sum;
}

/// W = M V for an orthonormal V, and the eigenvalues of W^T W: the squares of singular values. The columns that become u
/// and v are W Y and V Y; s belongs to both where it is not lost in rounding.
ThinSvd finish(const Panels & w, const Panels & v, const SymmetricEigen & e, double squares, Truncation keep) {
    ThinSvd svd;
    svd.squares = squares;
    double kept = 0;
    int64_t n = 0;
    for (; n < std::min(keep.rank, static_cast<int64_t>(e.values.size())); ++n) {
        const double s2 = e.values[static_cast<size_t>(n)];
        if (!(s2 > 0) || std::sqrt(s2 / e.values[0]) <= kSmallest) break;
        if (keep.energy < 1 && kept >= keep.energy * squares) break;
        kept += s2;
        svd.s.push_back(std::sqrt(s2));
    }
    const auto one = [](int64_t) { return 1.0; };
    svd.u = combine(w, columns_of(e, n, one, [&](int64_t j) { return 1 / svd.s[static_cast<size_t>(j)]; }));
    svd.v = combine(v, columns_of(e, n));
    return svd;
}

/// Numbers in (-0.5, 0.5) that shape alone decides.
Panels random_columns(int64_t rows, int64_t columns) {
    Panels x(rows, columns);
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j)
            x.at(i, j) = (static_cast<double>(philox4x32({static_cast<uint32_t>(i), static_cast<uint32_t>(j), 0, 0},
                                                         {0x53564400, 0})[0]) +
                          0.5) *
                             0x1p-32 -
                         0.5;
    return x;
}

Panels identity(int64_t n) {
    Panels x(n, n);
    for (int64_t i = 0; i < n; ++i) x.at(i, i) = 1;
    return x;
}

/// The matrix, or its transpose where that has fewer columns.
class Operator {
  public:
    Operator(const DenseMatrix & d, int threads) : d_(d), threads_(threads), flipped_(d.k > d.m) {}
    int64_t columns() const { return std::min(d_.k, d_.m); }
    bool flipped() const { return flipped_; }
    Panels apply(const Panels & x) const {
        return flipped_ ? multiply_transposed(d_, x, threads_) : multiply(d_, x, threads_);
    }
    Panels apply_transposed(const Panels & y) const {
        return flipped_ ? multiply(d_, y, threads_) : multiply_transposed(d_, y, threads_);
    }

  private:
    const DenseMatrix & d_;
    int threads_;
    bool flipped_;
};

/// An orthonormal V and M V.
struct Space {
    Panels v, w;
};

/// The space with (M^T M) V, (M^T M)^2 V ... added.
Space krylov(const Operator & m, Space space) {
    Panels w = space.w;
    for (int64_t i = 1; i < kBlocks; ++i) {
        Panels next = m.apply_transposed(orthonormal(std::move(w)));
        next = orthonormal(without(without(std::move(next), space.v), space.v));
        next = orthonormal(without(std::move(next), space.v));  // dividing by a small length enlarged what was left
        if (next.columns() == 0) break;
        w = m.apply(next);
        space = {beside(space.v, next), beside(space.w, w)};
    }
    return space;
}

double sum_of(const SymmetricEigen & e, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < std::min(n, static_cast<int64_t>(e.values.size())); ++i)
        sum += e.values[static_cast<size_t>(i)];
    return sum;
}

}  // namespace

ThinSvd svd_of_products(std::span<const ProductTerm> terms, int64_t m, int64_t k, Truncation keep) {
    Panels a(k, 0), b(m, 0);
    for (const ProductTerm & t : terms) {
        a = beside(a, transposed(t.a, t.r, k));
        b = beside(b, copied(t.b, m, t.r, t.factor));
    }
    // B A = B (A V) V^T for a basis V of A's rows: W = B A V is the matrix in that basis.
    const Panels v = orthonormal(a);
    const Panels w = combine(b, inner_products(a, v));
    const SymmetricEigen e = eigen_of(inner_products(w, w), w.columns());
    return finish(w, v, e, sum_of(e, w.columns()), keep);
}

ThinSvd svd_of_matrix(const DenseMatrix & d, int64_t rank, int threads, double still) {
    const Operator m(d, threads);
    const int64_t block = Panels::padded(rank + kMore);
    const bool exact = kBlocks * block >= m.columns();
    Space space;
    space.v = exact ? identity(m.columns()) : orthonormal(random_columns(m.columns(), block));
    space.w = m.apply(space.v);
    SymmetricEigen e;
    double squares = -1;
    for (int round = 0; round < kMaxRounds; ++round) {
        if (!exact) space = krylov(m, std::move(space));
        e = eigen_of(inner_products(space.w, space.w), space.w.columns());
        const double now = sum_of(e, rank);
        if (exact || now - squares <= still * now) break;
        squares = now;
        const Panels best = columns_of(e, std::min(block, space.v.columns()));
        space = {combine(space.v, best), combine(space.w, best)};
    }
    ThinSvd svd = finish(space.w, space.v, e, squares_of(d), {rank});
    if (m.flipped()) std::swap(svd.u, svd.v);
    return svd;
}

}  // namespace ql
