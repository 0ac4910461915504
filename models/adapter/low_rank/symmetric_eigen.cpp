#include "models/adapter/low_rank/symmetric_eigen.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "models/adapter/low_rank/vectors.hpp"

namespace ql {
namespace {

/// A tridiagonal matrix T, and the orthogonal Q with A = Q T Q^T. Rows of `q` are the columns of Q.
struct Tridiagonal {
    std::vector<double> diagonal, beside;  // of n, and n - 1
    std::vector<double> q;
};

/// The reflection I - beta v v^T that brings x to a multiple of the first unit vector; v takes the place of x. Returns
/// beta, and in `first` what x becomes.
double reflection(double * x, size_t n, double & first) {
    const double length = std::sqrt(dot(x, x, n));
    first = x[0] > 0 ? -length : length;
    if (length == 0) return 0;
    x[0] -= first;
    return 2 / dot(x, x, n);
}

/// A -= v w^T + w v^T for w = p - (beta / 2) (p . v) v, p = beta A v, of the lower right n x n part of a matrix whose
/// rows are `stride` apart.
void reflect_both_sides(double * a, size_t stride, size_t n, const double * v, double beta, std::vector<double> & w) {
    for (size_t i = 0; i < n; ++i) w[i] = beta * dot(a + i * stride, v, n);
    add_scaled(w.data(), -0.5 * beta * dot(w.data(), v, n), v, n);
    for (size_t i = 0; i < n; ++i) {
        add_scaled(a + i * stride, -v[i], w.data(), n);
        add_scaled(a + i * stride, -w[i], v, n);
    }
}

Tridiagonal tridiagonal(std::vector<double> a, size_t n) {
    Tridiagonal t;
    t.beside.resize(n - 1);
    std::vector<double> betas(n), w(n);
    for (size_t i = 0; i + 1 < n; ++i) {  // the i-th vector takes the place of row i, right of the diagonal
        double * v = a.data() + i * n + i + 1;
        betas[i] = reflection(v, n - i - 1, t.beside[i]);
        if (betas[i] != 0) reflect_both_sides(a.data() + (i + 1) * (n + 1), n, n - i - 1, v, betas[i], w);
    }
    for (size_t i = 0; i < n; ++i) t.diagonal.push_back(a[i * (n + 1)]);
    t.q.resize(n * n);
    for (size_t i = 0; i < n; ++i) t.q[i * (n + 1)] = 1;
    for (size_t i = n - 1; i-- > 0;)  // Q is the product of the reflections; from the last, the zeros stay zeros
        for (size_t row = i + 1; row < n && betas[i] != 0; ++row) {
            const double * v = a.data() + i * n + i + 1;
            double * to = t.q.data() + row * n + i + 1;
            add_scaled(to, -betas[i] * dot(to, v, n - i - 1), v, n - i - 1);
        }
    return t;
}

void rotate_rows(double * x, double * y, double c, double s, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        const double a = x[i], b = y[i];
        x[i] = c * a + s * b;
        y[i] = c * b - s * a;
    }
}

/// One step on the rows low to high, none of whose neighbours are zero.
void qr_step(Tridiagonal & t, size_t low, size_t high, size_t n) {
    std::vector<double> &d = t.diagonal, &e = t.beside;
    const double half = (d[high - 1] - d[high]) / 2, last = e[high - 1];
    const double shift = d[high] - last * last / (half + std::copysign(std::hypot(half, last), half));
    double x = d[low] - shift, z = e[low];
    for (size_t k = low; k < high; ++k) {
        const double r = std::hypot(x, z), c = r > 0 ? x / r : 1, s = r > 0 ? z / r : 0;
        if (k > low) e[k - 1] = r;
        const double p = d[k], q = d[k + 1], b = e[k];
        d[k] = c * c * p + 2 * c * s * b + s * s * q;
        d[k + 1] = s * s * p - 2 * c * s * b + c * c * q;
        e[k] = c * s * (q - p) + (c * c - s * s) * b;
        x = e[k];
        if (k + 1 < high) {
            z = s * e[k + 1];
            e[k + 1] *= c;
        }
        rotate_rows(t.q.data() + k * n, t.q.data() + (k + 1) * n, c, s, n);
    }
}

void make_diagonal(Tridiagonal & t, size_t n) {
    constexpr size_t kStepsPerRow = 30;  // two to three are usual
    constexpr double kZero = std::numeric_limits<double>::epsilon();
    size_t high = n - 1;
    for (size_t step = 0; high > 0 && step < kStepsPerRow * n; ++step) {
        size_t low = high;
        while (low > 0) {
            double & e = t.beside[low - 1];
            if (std::fabs(e) <= kZero * (std::fabs(t.diagonal[low - 1]) + std::fabs(t.diagonal[low]))) {
                e = 0;
                break;
            }
            --low;
        }
        if (low == high)
            --high;
        else
            qr_step(t, low, high, n);
    }
}

}  // namespace

SymmetricEigen symmetric_eigen(std::vector<double> a, int64_t size) {
    const auto n = static_cast<size_t>(size);
    if (n == 0) return {};
    Tridiagonal t = tridiagonal(std::move(a), n);
    make_diagonal(t, n);
    std::vector<size_t> order(n);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) { return t.diagonal[x] > t.diagonal[y]; });
    SymmetricEigen eigen;
    for (const size_t i : order) {
        eigen.values.push_back(t.diagonal[i]);
        eigen.vectors.insert(eigen.vectors.end(), t.q.begin() + static_cast<std::ptrdiff_t>(i * n),
                             t.q.begin() + static_cast<std::ptrdiff_t>((i + 1) * n));
    }
    return eigen;
}

}  // namespace ql
