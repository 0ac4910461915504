#include "models/adapter/compose/svd.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/adapter/vectors.hpp"

namespace ql {
namespace {

using Vector = std::vector<double>;
using Basis = std::vector<Vector>;

constexpr int64_t kMore = 8;
constexpr int kMaxRounds = 200;
constexpr double kStill = 1e-8;  // of the sum of squares, from one round to the next

double dot(const Vector & a, const Vector & b) {
    return ql::dot(a.data(), b.data(), a.size());
}

/// Gram-Schmidt, twice for each vector; those that lie in the span of earlier ones are dropped.
void orthonormalise(Basis & basis) {
    Basis kept;
    for (Vector & v : basis) {
        const double before = std::sqrt(dot(v, v));
        for (int pass = 0; pass < 2; ++pass)
            for (const Vector & q : kept) {
                const double part = dot(q, v);
                add_scaled(v.data(), -part, q.data(), v.size());
            }
        const double length = std::sqrt(dot(v, v));
        if (!(length > 1e-12 * before)) continue;
        for (double & x : v) x /= length;
        kept.push_back(std::move(v));
    }
    basis = std::move(kept);
}

Basis image(const Basis & from, int64_t size, const std::function<void(const double *, double *)> & f) {
    Basis to;
    for (const Vector & v : from) f(v.data(), to.emplace_back(static_cast<size_t>(size)).data());
    return to;
}

double sum_of_squares(const Basis & vectors) {
    return std::accumulate(vectors.begin(), vectors.end(), 0.0,
                           [](double s, const Vector & v) { return s + dot(v, v); });
}

/// Rotates two vectors, and those that belong to them, so that the two are orthogonal. False if they already were.
bool rotate(Vector & x, Vector & y, Vector & along_x, Vector & along_y) {
    const double a = dot(x, x), b = dot(y, y), c = dot(x, y);
    if (std::fabs(c) <= 1e-15 * std::sqrt(a * b)) return false;
    const double zeta = (b - a) / (2 * c), t = std::copysign(1.0, zeta) / (std::fabs(zeta) + std::hypot(1.0, zeta));
    const double cosine = 1 / std::hypot(1.0, t), sine = cosine * t;
    const auto turn = [&](Vector & p, Vector & q) {
        for (size_t i = 0; i < p.size(); ++i) {
            const double old = p[i];
            p[i] = cosine * old - sine * q[i];
            q[i] = sine * old + cosine * q[i];
        }
    };
    turn(x, y);
    turn(along_x, along_y);
    return true;
}

/// One-sided Jacobi: makes the vectors orthogonal by rotations, which `along` undergoes too.      (Hestenes 1958)
void make_orthogonal(Basis & vectors, Basis & along) {
    for (int sweep = 0; sweep < 60; ++sweep) {
        bool turned = false;
        for (size_t i = 0; i < vectors.size(); ++i)
            for (size_t j = i + 1; j < vectors.size(); ++j)
                turned |= rotate(vectors[i], vectors[j], along[i], along[j]);
        if (!turned) return;
    }
}

}  // namespace

ThinSvd truncated_svd(const LinearMap & map, int64_t rank, NamedRandom random) {
    const int64_t n = std::min(rank + kMore, std::min(map.rows, map.columns));
    Basis u(static_cast<size_t>(n), Vector(static_cast<size_t>(map.rows)));
    uint64_t element = 0;
    for (Vector & v : u)
        for (double & x : v) x = random(element++) - 0.5;
    orthonormalise(u);

    Basis v;
    double squares = 0;
    for (int round = 0; round < kMaxRounds && !u.empty(); ++round) {
        v = image(u, map.columns, map.apply_transposed);
        const double now = sum_of_squares(v);
        orthonormalise(v);
        u = image(v, map.rows, map.apply);
        orthonormalise(u);
        if (std::fabs(now - squares) <= kStill * now) break;
        squares = now;
    }
    v = image(u, map.columns, map.apply_transposed);  // rows of U^T M: an SVD of that few is one of M
    make_orthogonal(v, u);

    std::vector<size_t> order(v.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return dot(v[a], v[a]) > dot(v[b], v[b]); });
    ThinSvd svd;
    const double largest = order.empty() ? 0 : std::sqrt(dot(v[order[0]], v[order[0]]));
    for (const size_t i : order) {
        const double s = std::sqrt(dot(v[i], v[i]));
        if (svd.s.size() == static_cast<size_t>(rank) || !(s > 1e-12 * largest)) break;
        for (double & x : v[i]) x /= s;
        svd.s.push_back(s);
        svd.u.push_back(std::move(u[i]));
        svd.v.push_back(std::move(v[i]));
    }
    return svd;
}

}  // namespace ql
