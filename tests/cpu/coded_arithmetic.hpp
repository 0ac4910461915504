// The arithmetic of coded.hpp, written out in scalars, and operands for it.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "backends/cpu/products/coded.hpp"
#include "backends/cpu/products/product.hpp"
#include "ggml/dtypes/dtype.hpp"
#include "support/reference_run.hpp"

namespace ql::cpu::coded {

using test::AlignedBytes;
using Floats = std::vector<float>;

inline Floats some_floats(int64_t n, uint32_t seed) {
    std::minstd_rand random(seed);
    std::normal_distribution<float> normal;
    Floats v(static_cast<size_t>(n));
    for (float & x : v) x = normal(random);
    return v;
}

/// A weight, encoded where its type can be, else of random codes.
inline AlignedBytes weight_bytes(ql_dtype dtype, int64_t n) {
    const DTypeDef & type = *find_dtype(dtype);
    AlignedBytes bytes(ql_dtype_bytes(dtype, n));
    const Status made = type.encode ? type.encode(some_floats(n, 1).data(), n, bytes.data())
                                    : selftest::fill_input(frozen_in(n, dtype), 7, bytes.data());
    EXPECT_TRUE(made.ok()) << made.message();
    return bytes;
}

/// Some numbers along a sum: whole blocks of codes, and their scales.
struct Coded {
    std::vector<int32_t> codes;
    Floats scales;

    Coded(const Coding & of, const Floats & x)
        : codes(static_cast<size_t>(coded_steps(static_cast<int64_t>(x.size())))) {
        of.rotates ? rotate_and_code(of, x) : code(of, x);
    }

  private:
    void rotate_and_code(const Coding & of, Floats x) {
        x.resize(codes.size());
        for (size_t first = 0; first < x.size(); first += 64)
            for (const size_t h : {32, 16, 8, 4, 2, 1})
                for (size_t i = first; i < first + 64; ++i) {
                    if (i & h) continue;
                    const float a = x[i], b = x[i + h];
                    x[i] = a + b, x[i + h] = a - b;
                }
        code(of, x);
    }
    void code(const Coding & of, const Floats & x) {
        const auto block = static_cast<size_t>(of.block);
        const auto most = static_cast<float>(of.largest);
        for (size_t first = 0; first < x.size(); first += block) {
            const size_t last = std::min(x.size(), first + block);
            float largest = 0;
            bool finite = true;
            for (size_t i = first; i < last; ++i) {
                finite = finite && std::isfinite(x[i]);
                largest = std::max(largest, std::fabs(x[i]));
            }
            const bool zero = largest < 0x1p-100f;
            scales.push_back(!finite ? NAN : zero ? 0 : largest / most);
            if (!finite || zero) continue;
            for (size_t i = first; i < last; ++i)
                codes[i] = static_cast<int32_t>(std::nearbyint(x[i] * (most / largest)));
        }
    }
};

/// Adds a term to sums [columns, rows], a panel's depth at a time.
inline void add_term(const Coding & of, const Product & p, const float * a, int64_t rows, Floats & c,
                     int64_t panel = kPanelDepthCoded) {
    Floats w(static_cast<size_t>(p.w.elements()));
    find_dtype(p.w.dtype)->decode(p.w.data, p.w.elements(), 0, p.w.elements(), w.data());
    std::vector<Coded> columns, tokens;
    for (int64_t j = 0; j < p.columns(); ++j) {
        Floats column;
        for (int64_t i = 0; i < p.depth(); ++i)
            column.push_back(w[static_cast<size_t>(p.side == Side::forward ? j * p.w.k + i : i * p.w.k + j)]);
        columns.emplace_back(of, column);
    }
    for (int64_t t = 0; t < rows; ++t) tokens.emplace_back(of, Floats(a + t * p.depth(), a + (t + 1) * p.depth()));
    for (int64_t t = 0; t < rows; ++t)
        for (int64_t j = 0; j < p.columns(); ++j) {
            const Coded &x = tokens[static_cast<size_t>(t)], &y = columns[static_cast<size_t>(j)];
            float & to = c[static_cast<size_t>(t * p.columns() + j)];
            float sum = 0;
            for (size_t block = 0, first = 0; block < x.scales.size(); ++block) {
                const size_t last = std::min(x.codes.size(), first + static_cast<size_t>(of.block));
                const float scale = of.rotates ? p.scale / 64 : p.scale;
                int32_t whole = 0;
                for (; first < last; ++first) whole += x.codes[first] * y.codes[first];
                sum += static_cast<float>(whole) * (y.scales[block] * scale) * x.scales[block];
                if (static_cast<int64_t>(last) % panel == 0 || last == x.codes.size()) to += sum, sum = 0;
            }
        }
}

}  // namespace ql::cpu::coded
