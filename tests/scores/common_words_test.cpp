// Common words in order against the table that defines their number, at the borders of a machine's words; and the time that
// long answers take.
#include "tools/scores/common_words.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "support/growth.hpp"

namespace ql::test {
namespace {

using namespace cli;

size_t by_table(const WordList & a, const WordList & b) {
    std::vector<size_t> row(b.size() + 1, 0);
    for (const std::string_view word : a) {
        size_t diagonal = 0;
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t above = row[j];
            row[j] = word == b[j - 1] ? diagonal + 1 : std::max(above, row[j - 1]);
            diagonal = above;
        }
    }
    return row.back();
}

class Lists {
  public:
    explicit Lists(size_t n_words) {
        for (size_t i = 0; i < n_words; ++i) words_.push_back("w" + std::to_string(i));
    }
    WordList random(size_t n) {
        WordList list(n);
        for (std::string_view & word : list) word = words_[random_() % words_.size()];
        return list;
    }

  private:
    std::vector<std::string> words_;
    std::mt19937 random_{1};
};

TEST(CommonWords, InOrderAreThoseOfTheTable) {
    for (const size_t n_words : {1, 2, 5, 40, 1000}) {
        Lists lists(n_words);
        for (const size_t n : {0, 1, 63, 64, 65, 127, 128, 129, 300})
            for (const size_t m : {0, 1, 64, 150}) {
                const WordList a = lists.random(n), b = lists.random(m);
                EXPECT_EQ(n_common_in_order(a, b), by_table(a, b)) << n_words << " words, " << n << " and " << m;
                EXPECT_EQ(n_common_in_order(a, a), n);
            }
    }
}

TEST(CommonWords, InAnyOrderEachOnce) {
    const auto n = [](const char * a, const char * b) { return n_common(split_words(a), split_words(b)); };
    EXPECT_EQ(n("a b c", "c b a"), 3u);
    EXPECT_EQ(n("a a b", "a b b"), 2u);
    EXPECT_EQ(n("a", "a a a"), 1u);
    EXPECT_EQ(n("a a a", "a"), 1u);
    EXPECT_EQ(n("", "a"), 0u);
}

TEST(CommonWords, AreSplitAtBlanks) {
    EXPECT_EQ(split_words(" one  two "), (WordList{"one", "two"}));
    EXPECT_TRUE(split_words("").empty());
    EXPECT_TRUE(split_words("  ").empty());
}

/// A table of these would have 400 million elements for each pair.
TEST(CommonWords, LongAnswersTakeNoTime) {
    const double begin = thread_seconds();
    for (const size_t n_words : {1, 3000}) {
        Lists lists(n_words);
        const WordList a = lists.random(20000), b = lists.random(20000);
        EXPECT_GT(n_common_in_order(a, b), 0u);
    }
    EXPECT_LT(thread_seconds() - begin, 5) << "a tenth of one is usual";
}

}  // namespace
}  // namespace ql::test
