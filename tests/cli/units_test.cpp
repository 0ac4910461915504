// Figures as people read them.
#include "tools/cli/units.hpp"

#include <gtest/gtest.h>

namespace ql::cli {
namespace {

TEST(Units, ShortDurationsKeepADigit) {
    EXPECT_EQ(print_duration(0), "0 ms");
    EXPECT_EQ(print_duration(0.0042), "4 ms");
    EXPECT_EQ(print_duration(0.0996), "0.1 s");
    EXPECT_EQ(print_duration(0.44), "0.4 s");
    EXPECT_EQ(print_duration(9.94), "9.9 s");
    EXPECT_EQ(print_duration(9.96), "10 s");
    EXPECT_EQ(print_duration(200), "3:20");
    EXPECT_EQ(print_duration(-1), "-");
    EXPECT_EQ(print_time(0.44), "0 s");
}

}  // namespace
}  // namespace ql::cli
