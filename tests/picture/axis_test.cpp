// Where axes begin and end, when they are logarithmic, and how numbers beside them read.
#include "tools/picture/axis.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace ql::test {
namespace {

using namespace cli;

Range range(double low, double high) {
    return {low, high, false};
}

TEST(Axis, OfStepsEndsAtTheLastOne) {
    const Axis a = Axis::exact(0, 273, true);
    EXPECT_EQ(a.part(0), 0);
    EXPECT_EQ(a.part(273), 1);
    EXPECT_EQ(a.ticks(), (std::vector<double>{0, 50, 100, 150, 200, 250}));
    EXPECT_EQ(Axis::exact(0, 2, true).ticks(), (std::vector<double>{0, 1, 2})) << "no half steps";
    EXPECT_EQ(Axis::exact(0, 0, true).part(1), 1) << "of no step: still an axis";
}

TEST(Axis, OfValuesGoesFromTickToTick) {
    const Axis a = Axis::linear(range(0.63, 5.3));
    EXPECT_EQ(a.ticks().front(), 0);
    EXPECT_EQ(a.ticks().back(), 6);
    EXPECT_EQ(Axis::linear(range(0, 5.3), 3).ticks().size(), 4u);
}

TEST(Axis, OfOneValueOrNoneHasALength) {
    for (const double v : {0.0, 3.0, -3.0, 1e-320, 1e30, -1e30}) {
        const Axis a = Axis::linear(range(v, v));
        EXPECT_TRUE(a.part(v) >= 0 && a.part(v) <= 1) << v;
        EXPECT_TRUE(a.ticks().size() >= 2 && a.ticks().size() < 30) << v;
    }
    EXPECT_GT(Axis::linear({}).ticks().size(), 1u);
    EXPECT_GT(Axis::logarithmic({}).ticks().size(), 0u);
    EXPECT_GT(Axis::logarithmic(range(2, 2)).part(2), 0.3);
}

TEST(Axis, IsLogarithmicWhereValuesAreFarApart) {
    EXPECT_FALSE(suits_log(range(0.2, 4)));
    EXPECT_TRUE(suits_log(range(0.2, 4.01)));
    EXPECT_FALSE(suits_log(range(0, 4))) << "0 has no place there";
    EXPECT_FALSE(suits_log({}));
    const Axis a = Axis::logarithmic(range(0.01, 4));
    EXPECT_NEAR(a.part(std::sqrt(0.01 * 4)), 0.5, 1e-9);
    EXPECT_GT(a.part(0.01), 0);
    EXPECT_LT(a.part(4), 1);
    EXPECT_EQ(a.ticks(), (std::vector<double>{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2}));
    EXPECT_LE(Axis::logarithmic(range(1e-30, 1e30)).ticks().size(), 12u);
}

TEST(Axis, LabelsTellTicksApart) {
    EXPECT_EQ(Axis::linear(range(0.5, 1)).label(0.6), "0.6");
    EXPECT_EQ(Axis::linear(range(0, 1e-3)).label(2e-4), "0.0002");
    EXPECT_EQ(Axis::linear(range(0, 3e-6)).label(5e-7), "5e-7");
    EXPECT_EQ(Axis::linear(range(0, 3e-6)).label(0), "0");
    EXPECT_EQ(Axis::exact(0, 2e6, true).label(5e5), "500k");
    EXPECT_EQ(Axis::logarithmic(range(1e-5, 1)).label(1e-5), "1e-5");
    EXPECT_EQ(Axis::logarithmic(range(1e-5, 1)).label(0.01), "0.01");
}

TEST(Axis, NumbersAreShort) {
    EXPECT_EQ(short_number(0.71), "0.71");
    EXPECT_EQ(three_digits(0.71), "0.710");
    EXPECT_EQ(three_digits(12.346), "12.3");
    EXPECT_EQ(three_digits(123), "123");
    EXPECT_EQ(short_number(1234), "1.23k");
    EXPECT_EQ(short_number(999.9), "1k");
    EXPECT_EQ(short_number(2.5e6), "2.5M");
    EXPECT_EQ(three_digits(0.00000123), "1.2e-6");
    EXPECT_EQ(plain_number(2e-5), "2e-5");
    EXPECT_EQ(plain_number(0.0002), "0.0002");
}

TEST(Axis, LeavesOutWhatIsNoMeasurement) {
    Range r;
    for (const double v : {static_cast<double>(NAN), static_cast<double>(INFINITY), -2e30}) r.add(v);
    EXPECT_TRUE(r.is_empty);
    r.add(3), r.add(-1);
    EXPECT_TRUE(r.low == -1 && r.high == 3);
}

}  // namespace
}  // namespace ql::test
