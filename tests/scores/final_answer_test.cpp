// Which part of a text is its final answer, and when two agree.
#include "tools/scores/final_answer.hpp"

#include <gtest/gtest.h>

namespace ql::test {
namespace {

using namespace cli;

std::string final_of(const std::string & text) {
    return FinalAnswer(kFinalMarker).of(text);
}
bool agrees(const std::string & wanted, const std::string & got) {
    return FinalAnswer(kFinalMarker).agrees(wanted, got);
}

TEST(FinalAnswer, StandsBehindTheLastMarker) {
    EXPECT_EQ(final_of("48 / 2 = 24\n#### 72"), "72");
    EXPECT_EQ(final_of("#### 1\nno\n####2\nmore text, 5"), "2");
    EXPECT_EQ(final_of("####\n\n  in Paris \r\nand 5"), "in Paris") << "the first line that is not blank";
    EXPECT_EQ(final_of("#### 1,234,567"), "1234567");
    EXPECT_EQ(final_of("#### 1,234, 5,67, a,bcd 12,3456"), "1234, 5,67, a,bcd 12,3456") << "only those of thousands";
    EXPECT_EQ(final_of("12 ####  "), "") << "nothing behind it";
}

TEST(FinalAnswer, IsTheLastNumberWithoutAMarker) {
    EXPECT_EQ(final_of("9 eggs make 1,080 dollars."), "1080");
    EXPECT_EQ(final_of("3.14, or so"), "3.14");
    EXPECT_EQ(final_of("It is 72."), "72");
    EXPECT_EQ(final_of("x = -5"), "-5");
    EXPECT_EQ(final_of("10-3"), "3") << "a range or a difference, no sign";
    EXPECT_EQ(final_of("only .5"), ".5");
    EXPECT_EQ(final_of("No.5"), "5");
    EXPECT_EQ(final_of("well...5"), "5");
    EXPECT_EQ(final_of("12,3456 of 1234,567"), "567") << "no thousands";
    EXPECT_EQ(final_of("version 1.2.3"), "3");
    EXPECT_EQ(final_of("nothing"), "");
    EXPECT_EQ(final_of(""), "");
}

TEST(FinalAnswer, OfANumberNeedNotStandAlone) {
    EXPECT_TRUE(agrees("#### 72", "#### $72."));
    EXPECT_TRUE(agrees("#### 72", "#### **72** apples"));
    EXPECT_TRUE(agrees("#### 1080", "#### 1,080 km"));
    EXPECT_TRUE(agrees("#### 72", "so it is 72")) << "no marker: the last number";
    EXPECT_FALSE(agrees("#### 72", "#### 24 + 48 = 72")) << "the first behind the marker";
    EXPECT_FALSE(agrees("#### 72", "#### seventy-two"));
    EXPECT_FALSE(agrees("#### 7", "#### 72"));
    EXPECT_FALSE(agrees("#### 72", "#### 72.5"));
    EXPECT_FALSE(agrees("#### 5", "#### -5"));
}

TEST(FinalAnswer, OfATextIsAllOfIt) {
    EXPECT_TRUE(agrees("#### Paris", "Let me see.\n#### Paris\nIs that all?"));
    EXPECT_FALSE(agrees("#### 3 apples", "#### 3 pears"));
    EXPECT_FALSE(agrees("#### 12:30", "#### 12:45"));
    EXPECT_FALSE(agrees("#### Paris", "Paris"));
    EXPECT_FALSE(agrees("yes", "yes")) << "neither has one";
    EXPECT_FALSE(agrees("####", "####"));
}

}  // namespace
}  // namespace ql::test
