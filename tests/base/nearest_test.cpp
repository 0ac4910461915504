// Which name a misspelt one was meant to be.
#include "common/nearest.hpp"

#include <gtest/gtest.h>

namespace ql::test {
namespace {

using ql::nearest_name;

const std::vector<std::string> kNames = {"epochs", "early-stop", "steps", "temp", "top-k", "top-p", "json"};

TEST(Nearest, TakesTheFewestChanges) {
    EXPECT_EQ(nearest_name("epocs", kNames), "epochs");
    EXPECT_EQ(nearest_name("epohcs", kNames), "epochs") << "letters that changed places are one change";
    EXPECT_EQ(nearest_name("step", kNames), "steps");
    EXPECT_EQ(nearest_name("top_p", kNames), "top-p");
    EXPECT_EQ(nearest_name("json", kNames), "json");
}

TEST(Nearest, OrWhatBeginsAlike) {
    EXPECT_EQ(nearest_name("early", kNames), "early-stop");
    EXPECT_EQ(nearest_name("temperature", kNames), "temp");
}

TEST(Nearest, IsNoneWhereNoneIsNear) {
    EXPECT_EQ(nearest_name("colour", kNames), "");
    EXPECT_EQ(nearest_name("", kNames), "");
    EXPECT_EQ(nearest_name("xy", {"xz", "xyz"}), "") << "of two letters each is as near as the other";
    EXPECT_EQ(nearest_name(std::string(100000, 'a'), kNames), "");
    EXPECT_EQ(nearest_name("step", {}), "");
}

}  // namespace
}  // namespace ql::test
