// What a legend calls runs.
#include "tools/picture/run_names.hpp"

#include <gtest/gtest.h>

namespace ql::test {
namespace {

using Names = std::vector<std::string>;
using cli::telling_names;

TEST(RunNames, AreThePartsThatTellThemApart) {
    EXPECT_EQ(telling_names({"x/lr-1.jsonl"}), (Names{"lr-1"}));
    EXPECT_EQ(telling_names({"x/lr-1.jsonl", "y/lr-2.jsonl"}), (Names{"lr-1", "lr-2"}));
    EXPECT_EQ(telling_names({"/r/a/m.jsonl", "/r/b/m.jsonl"}), (Names{"a", "b"}));
    EXPECT_EQ(telling_names({"/r/a/1/out/m.jsonl", "/r/b/1/out/m.jsonl"}), (Names{"a", "b"}));
    EXPECT_EQ(telling_names({"a/1/m.jsonl", "a/2/m.jsonl", "b/1/m.jsonl"}), (Names{"a/1", "a/2", "b/1"}));
}

TEST(RunNames, StayApart) {
    EXPECT_EQ(telling_names({"m.jsonl", "old/m.jsonl"}), (Names{"m", "old/m"})) << "no name is empty";
    EXPECT_EQ(telling_names({"a.jsonl", "a"}), (Names{"a.jsonl", "a"})) << "the ending tells them apart";
    EXPECT_EQ(telling_names({"a.txt", "a.jsonl"}), (Names{"a.txt", "a"}));
    EXPECT_EQ(telling_names({"./a", "a"}), (Names{"./a", "a"}));
}

}  // namespace
}  // namespace ql::test
