// The vector functions of math.inl on every instruction set, against the C library in f64.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/math_test.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cstdint>

#include "backends/cpu/math.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// n a multiple of 16.
void exp_all(const float * x, int64_t n, float * y) {
    const hn::CappedTag<float, 16> d;
    for (int64_t i = 0; i < n; i += static_cast<int64_t>(hn::Lanes(d)))
        hn::StoreU(vexp(d, hn::LoadU(d, x + i)), d, y + i);
}
void bounded_exp_all(const float * x, int64_t n, float * y) {
    const hn::CappedTag<float, 16> d;
    for (int64_t i = 0; i < n; i += static_cast<int64_t>(hn::Lanes(d)))
        hn::StoreU(vexp_bounded(d, hn::LoadU(d, x + i)), d, y + i);
}
void negative_exp_all(const float * x, int64_t n, float * y) {
    const hn::CappedTag<float, 16> d;
    for (int64_t i = 0; i < n; i += static_cast<int64_t>(hn::Lanes(d)))
        hn::StoreU(vexp_negative(d, hn::LoadU(d, x + i)), d, y + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "backends/cpu/isa.hpp"
#include "backends/cpu/targets.hpp"

namespace ql::cpu {
HWY_EXPORT(exp_all);
HWY_EXPORT(bounded_exp_all);
HWY_EXPORT(negative_exp_all);
namespace {

using Function = void (*)(const float *, int64_t, float *);
std::vector<float> values_of(Function f, std::vector<float> x) {
    const size_t n = x.size();
    x.resize((n + 15) / 16 * 16);
    std::vector<float> y(x.size());
    f(x.data(), static_cast<int64_t>(x.size()), y.data());
    y.resize(n);
    return y;
}
std::vector<float> vector_exp(std::vector<float> x) {
    return values_of(HWY_DYNAMIC_DISPATCH(exp_all), std::move(x));
}
std::vector<float> bounded_exp(std::vector<float> x) {
    return values_of(HWY_DYNAMIC_DISPATCH(bounded_exp_all), std::move(x));
}

std::vector<float> negative_exp(std::vector<float> x) {
    return values_of(HWY_DYNAMIC_DISPATCH(negative_exp_all), std::move(x));
}

double unit_in_last_place(double x) {
    const auto f = static_cast<float>(x);
    return static_cast<double>(std::nextafter(f, std::numeric_limits<float>::infinity())) - static_cast<double>(f);
}

class VectorMath : public testing::TestWithParam<Isa> {
  protected:
    VectorMath() { limit_targets(GetParam()); }
};

/// The largest error of f as e^x on [low, high), in units in the last place.
template <typename F>
double worst_error(const F & f, double low, double high) {
    std::vector<float> x;
    for (double v = low; v < high; v += 1.0 / 4096 + 1e-5) x.push_back(static_cast<float>(v));
    const auto y = f(x);
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
        const double want = std::exp(static_cast<double>(x[i]));
        worst = std::max(worst, std::fabs(static_cast<double>(y[i]) - want) / unit_in_last_place(want));
    }
    return worst;
}

TEST_P(VectorMath, ExpIsWithinTwoUnitsInTheLastPlace) {
    EXPECT_LE(worst_error(vector_exp, -103, 88.7), 2);
}

TEST_P(VectorMath, BoundedExpIsWithinThreeUnitsInTheLastPlace) {
    EXPECT_LE(worst_error(bounded_exp, -87, 87), 3);
}

TEST_P(VectorMath, BoundedExpStaysAtTheEndsOfItsRange) {
    const float inf = std::numeric_limits<float>::infinity();
    const auto y = bounded_exp({87, 88, 1000, inf, -87, -88, -1000, -inf, 0, -0.0f});
    for (int i = 0; i < 4; ++i) EXPECT_EQ(y[static_cast<size_t>(i)], y[0]);
    for (int i = 4; i < 8; ++i) EXPECT_EQ(y[static_cast<size_t>(i)], y[4]);
    EXPECT_TRUE(std::isfinite(y[0]));
    EXPECT_GT(y[4], 0);
    EXPECT_EQ(y[8], 1);
    EXPECT_EQ(y[9], 1);
}

TEST_P(VectorMath, NegativeExpIsWithinSevenMillionthsAndStaysAtTheEndOfItsRange) {
    std::vector<float> x;
    for (double v = -87; v <= 0; v += 1.0 / 4096) x.push_back(static_cast<float>(v));
    const auto y = negative_exp(x);
    for (size_t i = 0; i < x.size(); ++i) {
        const double want = std::exp(static_cast<double>(x[i]));
        ASSERT_NEAR(static_cast<double>(y[i]), want, 7e-6 * want) << x[i];
    }
    const auto ends = negative_exp({-87, -88, -1000, -std::numeric_limits<float>::infinity(), 0, -0.0f});
    for (size_t i = 1; i < 4; ++i) EXPECT_EQ(ends[i], ends[0]);
    EXPECT_EQ(ends[4], 1);
    EXPECT_EQ(ends[5], 1);
}

TEST_P(VectorMath, ExpIsRightAtTheEnds) {
    const float inf = std::numeric_limits<float>::infinity();
    const auto y = vector_exp({0, -inf, inf, NAN, 89, 1000, -105, -1000, -0.0f});
    EXPECT_EQ(y[0], 1);
    EXPECT_EQ(y[1], 0);
    EXPECT_EQ(y[2], inf);
    EXPECT_TRUE(std::isnan(y[3]));
    EXPECT_EQ(y[4], inf);
    EXPECT_EQ(y[5], inf);
    EXPECT_EQ(y[6], 0);
    EXPECT_EQ(y[7], 0);
    EXPECT_EQ(y[8], 1);
}

std::vector<Isa> sets() {
    std::vector<Isa> list;
    for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512, Isa::neon})
        if (isa == best_isa() || (isa < best_isa() && best_isa() != Isa::neon)) list.push_back(isa);
    return list;
}
INSTANTIATE_TEST_SUITE_P(Cpu, VectorMath, testing::ValuesIn(sets()),
                         [](const auto & info) { return std::string(isa_name(info.param)); });

}  // namespace
}  // namespace ql::cpu
#endif
