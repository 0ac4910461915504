// Means around each value, and curves thinned out to what pixels can show.
#include "tools/picture/curve.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace ql::test {
namespace {

using namespace cli;

std::vector<Point> points(const std::vector<double> & y) {
    std::vector<Point> out;
    for (size_t i = 0; i < y.size(); ++i) out.push_back({static_cast<double>(i), y[i]});
    return out;
}

std::vector<double> values(const std::vector<Point> & p) {
    std::vector<double> out;
    for (const Point & q : p) out.push_back(q.y);
    return out;
}

TEST(CentredMean, LooksAsFarBackAsAhead) {
    EXPECT_EQ(values(centred_mean(points({9, 0, 3, 6, 3, 0, 0}), 3)), (std::vector<double>{9, 4, 3, 4, 3, 1, 0}));
    EXPECT_EQ(values(centred_mean(points({8, 0, 4, 4, 4, 9}), 5)), (std::vector<double>{8, 4, 4, 4.2, 5.25, 17.0 / 3}))
        << "a steep start stays; the end is a mean of what is there";
    EXPECT_TRUE(centred_mean({}, 5).empty());
}

TEST(CentredMean, OfALineIsTheLine) {
    std::vector<double> line;
    for (int i = 0; i < 50; ++i) line.push_back(100 - 2 * i);
    const auto means = values(centred_mean(points(line), 9));
    for (size_t i = 0; i + 4 < line.size(); ++i) EXPECT_DOUBLE_EQ(means[i], line[i]) << "no lag behind the curve";
}

TEST(CentredMean, TakesNoPartOfSkippedSteps) {
    const auto means = values(centred_mean(points({2, 4, NAN, 8, 2}), 3));
    EXPECT_TRUE(std::isnan(means[2]));
    EXPECT_EQ(means[1], 3);
    EXPECT_EQ(means[3], 5);
}

TEST(UsualMean, GrowsWithTheRun) {
    EXPECT_EQ(usual_mean(11), 0u);
    EXPECT_EQ(usual_mean(12), 5u);
    EXPECT_EQ(usual_mean(2000), 101u);
}

TEST(Thinned, KeepsEveryExtremeInItsColumn) {
    std::vector<double> y(100000, 1);
    y[31234] = 50, y[31235] = -50, y[77777] = NAN, y.back() = 7;
    const auto thin = thinned(points(y), 0, 99999, 100);
    EXPECT_LE(thin.size(), 4u * 101 + 4);
    const auto at = [&](double x) {
        for (const Point & p : thin)
            if (p.x == x) return p.y;
        return -1.0;
    };
    EXPECT_EQ(at(31234), 50);
    EXPECT_EQ(at(31235), -50);
    EXPECT_EQ(at(99999), 7);
    EXPECT_TRUE(std::isnan(at(77777))) << "a gap stays a gap";
    for (size_t i = 1; i < thin.size(); ++i) EXPECT_LT(thin[i - 1].x, thin[i].x);
}

TEST(Thinned, LeavesFewPointsAlone) {
    EXPECT_EQ(thinned(points({1, 2, NAN, 3}), 0, 3, 100).size(), 4u);
}

}  // namespace
}  // namespace ql::test
