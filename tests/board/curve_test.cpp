// A curve in bounded memory: what becomes of its points when there are too many.
#include "tools/cli/board/curve.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace ql::test {
namespace {

using cli::Curve;
using cli::CurvePoint;

Curve curve_of(int n) {
    Curve curve;
    for (int i = 1; i <= n; ++i) curve.add(i, i % 2 ? 1.0 : 3.0, 1e-3 * i, i == 7 ? 50.0 : 1.0);
    return curve;
}

TEST(Curve, HoldsEveryStepWhileThereIsRoom) {
    const Curve curve = curve_of(Curve::kMost);
    ASSERT_EQ(curve.points().size(), Curve::kMost);
    EXPECT_EQ(curve.thinned(), 0);
    EXPECT_EQ(curve.points()[6].grad_norm, 50);
    EXPECT_EQ(curve.points()[6].step, 7);
}

TEST(Curve, PairsBecomeOnePointWithTheirMeanAndTheirEnds) {
    const Curve curve = curve_of(Curve::kMost + 2);
    ASSERT_EQ(curve.points().size(), Curve::kMost / 2 + 1) << "the two last steps are one point, too";
    EXPECT_EQ(curve.thinned(), 1);
    for (const CurvePoint & p : curve.points()) {
        EXPECT_EQ(p.loss, 2);
        EXPECT_EQ(p.low, 1);
        EXPECT_EQ(p.high, 3);
    }
    EXPECT_EQ(curve.points()[3].step, 8);
    EXPECT_EQ(curve.points()[3].grad_norm, 50) << "what stands out stays";
    EXPECT_EQ(curve.points()[3].lr, 8e-3);
}

TEST(Curve, IsBoundedAndWholeHoweverLongTheRunIs) {
    Curve curve;
    const int n = 1000003;
    for (int i = 1; i <= n; ++i) curve.add(i, 2, 1, 1);
    EXPECT_LE(curve.points().size(), Curve::kMost);
    EXPECT_GE(curve.points().size(), Curve::kMost / 2 - 1);
    curve.finish();
    EXPECT_EQ(curve.points().back().step, n) << "the last steps, too";
    double before = 0;
    for (const CurvePoint & p : curve.points()) {
        EXPECT_GT(p.step, before);
        before = p.step;
    }
    EXPECT_LE(curve.points().front().step, 1024);
}

TEST(Curve, SkippedStepsAreNoPartOfAMean) {
    Curve curve;
    for (size_t i = 1; i <= Curve::kMost + 2; ++i) {
        const bool skipped = i == 1 || i == 2 || i == 3;
        curve.add(static_cast<double>(i), skipped ? NAN : 2.0, 1, skipped ? NAN : 0.5);
    }
    EXPECT_TRUE(std::isnan(curve.points()[0].loss)) << "both were skipped";
    EXPECT_EQ(curve.points()[1].loss, 2);
    EXPECT_EQ(curve.points()[1].low, 2);
    EXPECT_EQ(curve.points()[1].grad_norm, 0.5);
}

}  // namespace
}  // namespace ql::test
