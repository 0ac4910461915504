// What the adapter tests share: a small model, adapters for it, and what two adapters have in common.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/adapter/adapter.hpp"
#include "models/golden.hpp"
#include "models/model/model.hpp"

namespace ql::test {

/// 3 layers, 64 wide, 4 heads of 16, 2 key-value heads, feed-forward 128.
inline const Model & llama() {
    static const std::unique_ptr<Model> model = open_golden_model("llama");
    if (!model) throw std::runtime_error("no golden model");
    return *model;
}

inline const LoraMatrix * find(const Adapter & adapter, const std::string & weight) {
    for (const LoraMatrix & m : adapter.matrices)
        if (m.weight == weight) return &m;
    return nullptr;
}

/// An adapter whose numbers all differ, those of B included.
inline Adapter filled(int r = 3, const char * targets = "all") {
    Adapter adapter = new_adapter(llama(), {r, 6.0f, false, targets, 7}).value();
    float next = 0.5f;
    for (LoraMatrix & m : adapter.matrices)
        for (float & v : m.b) v = (next += 0.25f);
    return adapter;
}

/// s B A, which is what an adapter means however its factors are stored: [k, m].
inline std::vector<double> product(const LoraMatrix & m) {
    std::vector<double> w(static_cast<size_t>(m.k * m.m));
    for (int64_t row = 0; row < m.m; ++row)
        for (int64_t j = 0; j < m.r; ++j)
            for (int64_t i = 0; i < m.k; ++i)
                w[static_cast<size_t>(row * m.k + i)] +=
                    static_cast<double>(m.scale) * static_cast<double>(m.b[static_cast<size_t>(row * m.r + j)]) *
                    static_cast<double>(m.down()[static_cast<size_t>(j * m.k + i)]);
    return w;
}

inline void expect_same_meaning(const Adapter & x, const Adapter & y, double tolerance) {
    ASSERT_EQ(x.matrices.size(), y.matrices.size());
    for (const LoraMatrix & m : x.matrices) {
        const LoraMatrix * other = find(y, m.weight);
        ASSERT_NE(other, nullptr) << m.weight;
        EXPECT_EQ(m.r, other->r);
        const auto p = product(m), q = product(*other);
        double worst = 0, norm = 0;
        for (size_t i = 0; i < p.size(); ++i)
            worst = std::max(worst, std::fabs(p[i] - q[i])), norm = std::max(norm, std::fabs(p[i]));
        EXPECT_LE(worst, tolerance * norm) << m.weight;
    }
}

inline void expect_identical(const Adapter & x, const Adapter & y) {
    ASSERT_EQ(x.matrices.size(), y.matrices.size());
    for (size_t i = 0; i < x.matrices.size(); ++i) {
        const LoraMatrix &m = x.matrices[i], &n = y.matrices[i];
        EXPECT_EQ(m.weight, n.weight);
        EXPECT_EQ(m.r, n.r);
        EXPECT_EQ(m.scale, n.scale) << m.weight;
        EXPECT_EQ(m.down(), n.down()) << m.weight;
        EXPECT_EQ(m.b, n.b) << m.weight;
    }
}

}  // namespace ql::test
