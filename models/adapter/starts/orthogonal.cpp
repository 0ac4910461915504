// A = Q_0 G / 10 and B = H Q_1^T / 10, with normal G [k, r/2] and H [r/2, m], where Q_0 and Q_1 are the even and the odd
// columns of an orthogonal matrix [r, r]: B A = 0, and both have gradients from the first step on. As PEFT's
// init_lora_weights="orthogonal".                                (Datta, "Rethinking LoRA initialisation", 2024)
#include <cmath>

#include "models/adapter/low_rank/vectors.hpp"
#include "models/adapter/starts/normal.hpp"
#include "models/adapter/starts/start.hpp"

namespace ql {
namespace {

constexpr uint32_t kSquareStream = 0x4f525448, kAStream = 0x4f525441, kBStream = 0x4f525442;
constexpr double kFactor = 0.1;

/// n orthonormal rows of n numbers: Gram-Schmidt, twice for each row.
std::vector<double> orthogonal_matrix(size_t n, NamedRandom random) {
    std::vector<double> q = normal_values(n * n, random);
    for (size_t i = 0; i < n; ++i) {
        double * row = q.data() + i * n;
        for (int pass = 0; pass < 2; ++pass)
            for (size_t j = 0; j < i; ++j) add_scaled(row, -dot(q.data() + j * n, row, n), q.data() + j * n, n);
        const double length = std::sqrt(dot(row, row, n));
        for (size_t c = 0; c < n; ++c) row[c] /= length;
    }
    return q;
}

void fill(LoraMatrix & m, uint64_t seed) {
    const auto r = static_cast<size_t>(m.r), k = static_cast<size_t>(m.k), rows = static_cast<size_t>(m.m);
    const auto q = orthogonal_matrix(r, NamedRandom(seed, kSquareStream, m.weight));
    const auto g = normal_values(r / 2 * k, NamedRandom(seed, kAStream, m.weight));
    const auto h = normal_values(r / 2 * rows, NamedRandom(seed, kBStream, m.weight));
    std::vector<double> row(k);
    for (size_t j = 0; j < r; ++j) {
        std::fill(row.begin(), row.end(), 0.0);
        for (size_t i = 0; i < r / 2; ++i) add_scaled(row.data(), kFactor * q[2 * i * r + j], g.data() + i * k, k);
        for (size_t c = 0; c < k; ++c) m.a[j * k + c] = static_cast<float>(row[c]);
    }
    for (size_t y = 0; y < rows; ++y) {
        std::vector<double> b(r);
        for (size_t i = 0; i < r / 2; ++i)
            add_scaled(b.data(), kFactor * h[y * (r / 2) + i], q.data() + (2 * i + 1) * r, r);
        for (size_t j = 0; j < r; ++j) m.b[y * r + j] = static_cast<float>(b[j]);
    }
}

}  // namespace

Status start_orthogonal(Adapter & adapter, const Model &, const StartOptions & options) {
    for (const LoraMatrix & m : adapter.matrices)
        if (m.r % 2 != 0)
            return error(QL_INVALID_ARGUMENT, "an orthogonal start needs an even rank; that of %s is %lld",
                         m.weight.c_str(), static_cast<long long>(m.r));
    for (LoraMatrix & m : adapter.matrices) fill(m, options.seed);
    return {};
}

}  // namespace ql
