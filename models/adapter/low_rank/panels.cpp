// One inner loop does all of it: two rows of a matrix times a panel. Two rows by eight columns of sums fill half of the
// registers of the smallest vector unit (16 of two doubles), and eight loads from the panel serve sixteen products.
// Blocks of 128 rows of a panel (8 KB) and what meets them stay in the first cache.
#include "models/adapter/low_rank/panels.hpp"

#include <algorithm>
#include <cstring>

#include "models/base/parallel.hpp"

namespace ql {
namespace {

constexpr int64_t kWidth = Panels::kWidth;
constexpr int64_t kDepth = 128;  // of a block
constexpr int64_t kUnit = 64;    // rows of a result that a thread computes at a time

using Two = double __attribute__((vector_size(16)));
constexpr int kTwos = kWidth / 2;

/// y0 += sum_j a[j step] x[j], y1 += sum_j b[j step] x[j], where x[j] is a row of a panel.
template <typename T>
void add_products(const T * a, const T * b, int64_t step, const double * x, int64_t n, double * y0, double * y1) {
    Two s0[kTwos], s1[kTwos], row[kTwos];
    std::memcpy(s0, y0, sizeof s0);
    std::memcpy(s1, y1, sizeof s1);
    for (int64_t j = 0; j < n; ++j) {
        const double va = static_cast<double>(a[j * step]), vb = static_cast<double>(b[j * step]);
        const Two ta = {va, va}, tb = {vb, vb};
        std::memcpy(row, x + j * kWidth, sizeof row);
#pragma GCC unroll 4
        for (int c = 0; c < kTwos; ++c) {
            s0[c] += ta * row[c];
            s1[c] += tb * row[c];
        }
    }
    std::memcpy(y0, s0, sizeof s0);
    std::memcpy(y1, s1, sizeof s1);
}

/// For rows [first, last) of y: y[i] += sum_j a[i row + j step] x[j].
template <typename T>
void add_rows(const T * a, int64_t row, int64_t step, const double * x, int64_t n, int64_t first, int64_t last,
              double * y) {
    double unused[kWidth] = {};
    for (int64_t i = first; i < last; i += 2) {
        const bool is_last = i + 1 == last;
        add_products(a + i * row, a + (is_last ? i : i + 1) * row, step, x, n, y + i * kWidth,
                     is_last ? unused : y + (i + 1) * kWidth);
    }
}

/// y[i] = sum over `depth` of a[i row + j step] x[j], for all panels of x.
template <typename T>
void product(const T * a, int64_t row, int64_t step, int64_t depth, const Panels & x, Panels & y, int threads) {
    parallel_for(threads, (y.rows() + kUnit - 1) / kUnit, [&](int64_t unit) {
        const int64_t first = unit * kUnit, last = std::min(first + kUnit, y.rows());
        for (int64_t j = 0; j < depth; j += kDepth)
            for (int64_t p = 0; p < x.panels(); ++p)
                add_rows(a + j * step, row, step, x.panel(p) + j * kWidth, std::min(kDepth, depth - j), first, last,
                         y.panel(p));
    });
}

/// Of all += X^T Y what panels q of X and p of Y have in rows j to j + kDepth.
void add_inner(const Panels & x, int64_t q, const Panels & y, int64_t p, int64_t j, Panels & all) {
    add_rows(x.panel(q) + j * kWidth, 1, kWidth, y.panel(p) + j * kWidth, std::min(kDepth, x.rows() - j), 0, kWidth,
             all.panel(p) + q * kWidth * kWidth);
}

}  // namespace

Panels multiply(const DenseMatrix & d, const Panels & x, int threads) {
    Panels y(d.m, x.columns());
    product(d.values, d.k, 1, d.k, x, y, threads);
    return y;
}

Panels multiply_transposed(const DenseMatrix & d, const Panels & y, int threads) {
    Panels x(d.k, y.columns());
    product(d.values, 1, d.k, d.m, y, x, threads);
    return x;
}

Panels inner_products(const Panels & x, const Panels & y) {
    Panels all(Panels::padded(x.columns()), y.columns());
    for (int64_t j = 0; j < x.rows(); j += kDepth)
        for (int64_t q = 0; q < x.panels(); ++q)
            for (int64_t p = 0; p < y.panels(); ++p) add_inner(x, q, y, p, j, all);
    return all;
}

void add_gram(const Panels & x, Panels & g) {
    for (int64_t j = 0; j < x.rows(); j += kDepth)
        for (int64_t p = 0; p < x.panels(); ++p)
            for (int64_t q = 0; q <= p; ++q) add_inner(x, q, x, p, j, g);
}

Panels combine(const Panels & x, const Panels & c) {
    Panels y(x.rows(), c.columns());
    for (int64_t p = 0; p < c.panels(); ++p)
        for (int64_t q = 0; q < x.panels(); ++q)
            add_rows(x.panel(q), kWidth, 1, c.panel(p) + q * kWidth * kWidth, std::min(kWidth, c.rows() - q * kWidth),
                     0, x.rows(), y.panel(p));
    return y;
}

Panels beside(const Panels & x, const Panels & y) {
    Panels both(x.rows(), x.columns() + y.columns());
    for (int64_t row = 0; row < both.rows(); ++row) {
        for (int64_t c = 0; c < x.columns(); ++c) both.at(row, c) = x.at(row, c);
        for (int64_t c = 0; c < y.columns(); ++c) both.at(row, x.columns() + c) = y.at(row, c);
    }
    return both;
}

}  // namespace ql
