// Rules over texts: one after the other, texts that grow, texts that are no UTF-8, expressions that are none.
#include "tools/scores/text_rules.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace ql::test {
namespace {

using namespace cli;

TEST(TextRules, AreAppliedOneAfterTheOther) {
    const TextRules rules{{"b+", "a"}, {"aa", "-"}};
    EXPECT_EQ(rules.apply("abbb ab c"), "- - c");
    EXPECT_EQ(rules.apply(""), "");
    EXPECT_EQ(TextRules({{R"(\p{Lu}+)", R"(\L$0)"}}).apply("ÀB Ж Ⱥ"), "àb ж ⱥ") << "of two bytes, then of three";
}

TEST(TextRules, MayMakeATextLonger) {
    EXPECT_EQ(TextRules({{".", "<$0$0$0>"}}).apply("äb"), "<äää><bbb>");
    EXPECT_EQ(TextRules({{"\\A", "begin "}}).apply(""), "begin ");
    EXPECT_EQ(TextRules({{"x", "0123456789"}}).apply(std::string(1000, 'x')).size(), 10000u);
}

TEST(TextRules, LeaveWhatIsNoUtf8) {
    EXPECT_EQ(TextRules({{"a", "b"}}).apply("a\xff"), "a\xff");
}

TEST(TextRules, AreRefusedWhereTheyAreNone) {
    EXPECT_THROW(TextRules({{"(", ""}}), std::runtime_error);
}

}  // namespace
}  // namespace ql::test
