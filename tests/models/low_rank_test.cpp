// Decompositions: eigenvectors are eigenvectors, approximations are the best ones, and threads change no bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "models/adapter/low_rank/svd.hpp"
#include "models/adapter/low_rank/symmetric_eigen.hpp"

namespace ql::test {
namespace {

using Numbers = std::vector<double>;

Numbers random_numbers(size_t n, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    Numbers x(n);
    for (double & v : x) v = normal(random);
    return x;
}

std::vector<float> floats(const Numbers & x) {
    return {x.begin(), x.end()};
}

/// A^T A of m rows of n.
Numbers squared(const Numbers & a, int64_t m, int64_t n) {
    Numbers s(static_cast<size_t>(n * n));
    for (int64_t i = 0; i < m; ++i)
        for (int64_t p = 0; p < n; ++p)
            for (int64_t q = 0; q < n; ++q)
                s[static_cast<size_t>(p * n + q)] +=
                    a[static_cast<size_t>(i * n + p)] * a[static_cast<size_t>(i * n + q)];
    return s;
}

double sum_of_squares(const Numbers & x) {
    double s = 0;
    for (const double v : x) s += v * v;
    return s;
}

/// D less U diag(s) V^T.
Numbers rest(const std::vector<float> & d, int64_t m, int64_t k, const ThinSvd & svd) {
    Numbers left(d.begin(), d.end());
    for (size_t j = 0; j < svd.s.size(); ++j)
        for (int64_t row = 0; row < m; ++row)
            for (int64_t i = 0; i < k; ++i)
                left[static_cast<size_t>(row * k + i)] -=
                    svd.s[j] * svd.u.at(row, static_cast<int64_t>(j)) * svd.v.at(i, static_cast<int64_t>(j));
    return left;
}

void expect_eigen(const Numbers & a, int64_t n) {
    const SymmetricEigen e = symmetric_eigen(a, n);
    ASSERT_EQ(e.values.size(), static_cast<size_t>(n));
    const double size = std::sqrt(sum_of_squares(a)) + 1e-300;
    for (int64_t i = 0; i < n; ++i) {
        const double * v = e.vectors.data() + i * n;
        EXPECT_GE(e.values[static_cast<size_t>(std::max<int64_t>(i - 1, 0))], e.values[static_cast<size_t>(i)]);
        for (int64_t row = 0; row < n; ++row) {
            double av = 0;
            for (int64_t c = 0; c < n; ++c) av += a[static_cast<size_t>(row * n + c)] * v[c];
            EXPECT_NEAR(av / size, e.values[static_cast<size_t>(i)] * v[row] / size, 1e-13);
        }
        for (int64_t j = 0; j <= i; ++j) {
            double product = 0;
            for (int64_t c = 0; c < n; ++c) product += v[c] * e.vectors[static_cast<size_t>(j * n + c)];
            EXPECT_NEAR(product, i == j, 1e-13);
        }
    }
}

TEST(SymmetricEigen, OfSizesOneToThirty) {
    for (int64_t n = 1; n <= 30; ++n) expect_eigen(squared(random_numbers(static_cast<size_t>(n * n), 1), n, n), n);
}

TEST(SymmetricEigen, OfMatricesWithEqualAndZeroValues) {
    expect_eigen(Numbers(49), 7);
    expect_eigen(squared(random_numbers(3 * 12, 2), 3, 12), 12);  // of rank 3
    Numbers diagonal(36);
    for (size_t i = 0; i < 6; ++i) diagonal[i * 7] = i < 4 ? 2 : -1;
    expect_eigen(diagonal, 6);
    diagonal[1] = diagonal[6] = 1e-8;
    expect_eigen(diagonal, 6);
}

/// With singular values that are known: the squares that a rank leaves are the sum of the rest.
TEST(SvdOfMatrix, LeavesAsLittleAsAnyMatrixOfTheRank) {
    struct Shape {
        int64_t m, k, rank;
    };
    for (const Shape & s :
         {Shape{5, 3, 2}, Shape{40, 200, 4}, Shape{301, 170, 3}, Shape{170, 301, 3}, Shape{64, 64, 64}}) {
        const std::vector<float> d = floats(random_numbers(static_cast<size_t>(s.m * s.k), 3));
        const Numbers wide(d.begin(), d.end());
        const SymmetricEigen e = symmetric_eigen(squared(wide, s.m, s.k), s.k);  // exact, of all
        double best = 0;
        for (int64_t i = s.rank; i < s.k; ++i) best += std::max(0.0, e.values[static_cast<size_t>(i)]);
        const ThinSvd svd = svd_of_matrix({d.data(), s.m, s.k}, s.rank, 1);
        const double all = sum_of_squares(wide);
        EXPECT_NEAR(svd.squares / all, 1, 1e-12);
        EXPECT_NEAR(sum_of_squares(rest(d, s.m, s.k, svd)) / all, best / all, 1e-6) << s.m << " x " << s.k;
        for (size_t i = 0; i < svd.s.size(); ++i)
            EXPECT_NEAR(svd.s[i] * svd.s[i] / e.values[i], 1, 1e-4) << s.m << " x " << s.k << " value " << i;
    }
}

TEST(SvdOfMatrix, IsTheSameForAnyNumberOfThreads) {
    const std::vector<float> d = floats(random_numbers(300 * 200, 4));
    const ThinSvd one = svd_of_matrix({d.data(), 300, 200}, 5, 1), three = svd_of_matrix({d.data(), 300, 200}, 5, 3);
    EXPECT_EQ(one.s, three.s);
    for (int64_t j = 0; j < 5; ++j) {
        for (int64_t i = 0; i < 300; ++i) EXPECT_EQ(one.u.at(i, j), three.u.at(i, j));
        for (int64_t i = 0; i < 200; ++i) EXPECT_EQ(one.v.at(i, j), three.v.at(i, j));
    }
}

TEST(SvdOfMatrix, OfZerosIsNothing) {
    const std::vector<float> d(200 * 150);
    const ThinSvd svd = svd_of_matrix({d.data(), 200, 150}, 5, 1);
    EXPECT_TRUE(svd.s.empty());
    EXPECT_EQ(svd.squares, 0);
}

class SvdOfProducts : public testing::Test {
  protected:
    static constexpr int64_t kM = 50, kK = 30;
    ThinSvd decompose(Truncation keep) const {
        const ProductTerm terms[] = {{a_.data(), b_.data(), 3, 2.0}, {c_.data(), e_.data(), 5, -0.5}};
        return svd_of_products(terms, kM, kK, keep);
    }
    std::vector<float> sum() const {
        std::vector<float> d(kM * kK);
        for (int64_t row = 0; row < kM; ++row)
            for (int64_t i = 0; i < kK; ++i) {
                double x = 0;
                for (int64_t j = 0; j < 3; ++j)
                    x += 2.0 * static_cast<double>(b_[static_cast<size_t>(row * 3 + j)]) *
                         static_cast<double>(a_[static_cast<size_t>(j * kK + i)]);
                for (int64_t j = 0; j < 5; ++j)
                    x -= 0.5 * static_cast<double>(e_[static_cast<size_t>(row * 5 + j)]) *
                         static_cast<double>(c_[static_cast<size_t>(j * kK + i)]);
                d[static_cast<size_t>(row * kK + i)] = static_cast<float>(x);
            }
        return d;
    }
    const std::vector<float> a_ = floats(random_numbers(3 * kK, 5)), b_ = floats(random_numbers(3 * kM, 6)),
                             c_ = floats(random_numbers(5 * kK, 7)), e_ = floats(random_numbers(5 * kM, 8));
};

TEST_F(SvdOfProducts, IsTheSumAtItsFullRank) {
    const ThinSvd svd = decompose({100});
    EXPECT_EQ(svd.s.size(), 8u);
    const std::vector<float> d = sum();
    EXPECT_LE(sum_of_squares(rest(d, kM, kK, svd)), 1e-12 * svd.squares);
}

TEST_F(SvdOfProducts, IsTheBestAtARank) {
    const std::vector<float> d = sum();
    const ThinSvd whole = svd_of_matrix({d.data(), kM, kK}, 8, 1), cut = decompose({3});
    ASSERT_EQ(cut.s.size(), 3u);
    for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(cut.s[i] / whole.s[i], 1, 1e-6);
    double best = 0;
    for (size_t i = 3; i < 8; ++i) best += whole.s[i] * whole.s[i];
    EXPECT_NEAR(sum_of_squares(rest(d, kM, kK, cut)) / best, 1, 1e-5);
}

TEST_F(SvdOfProducts, KeepsAsManyValuesAsTheEnergyNeeds) {
    const ThinSvd all = decompose({100});
    double kept = 0;
    for (size_t n = 0; n < 8; ++n) {
        EXPECT_EQ(decompose({100, (kept + 0.5 * all.s[n] * all.s[n]) / all.squares}).s.size(), n + 1);
        kept += all.s[n] * all.s[n];
    }
    EXPECT_EQ(decompose({2, 0.999999}).s.size(), 2u);
}

TEST_F(SvdOfProducts, OfTermsThatDependOnEachOther) {
    const ProductTerm twice[] = {{a_.data(), b_.data(), 3, 0.25}, {a_.data(), b_.data(), 3, 0.75}};
    EXPECT_EQ(svd_of_products(twice, kM, kK, {100}).s.size(), 3u);
    const ProductTerm nothing[] = {{a_.data(), b_.data(), 3, 0.0}};
    EXPECT_TRUE(svd_of_products(nothing, kM, kK, {100}).s.empty());
}

}  // namespace
}  // namespace ql::test
