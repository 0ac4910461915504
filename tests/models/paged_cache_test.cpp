// Which sequences own a cache's pages, without a graph: a cache of no layers has nothing to copy.
#include "models/infer/paged_cache.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace ql::test {
namespace {

using Pages = std::vector<int32_t>;

class PagedCacheTest : public ::testing::Test {
  protected:
    void read(int64_t sequence, int64_t tokens) {
        const Growth growth{sequence, tokens};
        ASSERT_LE(cache_.pages_to_grow({&growth, 1}), cache_.pool().n_free());
        ASSERT_TRUE(cache_.grow(leaves_, growth).ok());
        cache_.advance(sequence, tokens);
    }
    Pages pages(int64_t sequence) const { return {cache_.pages(sequence).begin(), cache_.pages(sequence).end()}; }
    int64_t n_free() const { return cache_.pool().n_free(); }

    const KvCache leaves_;
    PagedCache cache_{8, 4};
};

TEST_F(PagedCacheTest, ASequenceTakesAPageWhenTheLastIsFull) {
    read(0, 64);
    EXPECT_EQ(pages(0), Pages{0});
    read(0, 1);
    read(1, 1);
    read(0, 70);
    EXPECT_EQ(pages(0), (Pages{0, 1, 3}));
    EXPECT_EQ(pages(1), Pages{2});
    EXPECT_EQ(cache_.row(0, 0), 0);
    EXPECT_EQ(cache_.row(0, 130), 3 * 64 + 2);
}

TEST_F(PagedCacheTest, PagesBehindTheLastTokenAreFreeAndTheLowestIsTakenFirst) {
    read(0, 200);
    read(1, 10);
    cache_.truncate(0, 64);
    EXPECT_EQ(pages(0), Pages{0});
    EXPECT_EQ(n_free(), 6);
    read(1, 64);
    EXPECT_EQ(pages(1), (Pages{4, 1}));
}

TEST_F(PagedCacheTest, AForkSharesAllPagesUntilOneGoesOn) {
    read(0, 100);
    cache_.fork(0, 1);
    EXPECT_EQ(cache_.position(1), 100);
    EXPECT_EQ(pages(1), pages(0));
    EXPECT_EQ(n_free(), 6);
    read(1, 1);
    EXPECT_EQ(pages(1), (Pages{0, 2}));
    read(0, 1);  // the page is sequence 0's alone
    EXPECT_EQ(pages(0), (Pages{0, 1}));
    EXPECT_EQ(n_free(), 5);
}

TEST_F(PagedCacheTest, APageIsFreeWhenItsLastOwnerLeaves) {
    read(0, 100);
    cache_.fork(0, 1);
    cache_.truncate(0, 0);
    EXPECT_EQ(n_free(), 6);
    cache_.truncate(1, 0);
    EXPECT_EQ(n_free(), 8);
}

TEST_F(PagedCacheTest, AForkGivesBackWhatItHadAndOfItselfIsNothing) {
    read(0, 100);
    read(1, 300);
    cache_.fork(0, 1);
    EXPECT_EQ(n_free(), 6);
    cache_.fork(1, 1);
    EXPECT_EQ(pages(1), pages(0));
    EXPECT_EQ(n_free(), 6);
}

TEST_F(PagedCacheTest, CountsPagesOfABatchWithTheCopiesOfAPageThatIsShared) {
    read(0, 100);
    for (const int64_t to : {1, 2}) cache_.fork(0, to);
    const std::array<Growth, 3> all{{{0, 1}, {1, 1}, {2, 1}}};
    EXPECT_EQ(cache_.pages_to_grow(std::span(all).first(1)), 1);
    EXPECT_EQ(cache_.pages_to_grow(std::span(all).first(2)), 2);
    EXPECT_EQ(cache_.pages_to_grow(all), 2);  // the last of three owners keeps the page
    for (const Growth & g : all) read(g.sequence, g.tokens);
    EXPECT_EQ(n_free(), 8 - 2 - 2);
    const Growth more{0, 28};  // 129 tokens
    EXPECT_EQ(cache_.pages_to_grow({&more, 1}), 1);
}

TEST_F(PagedCacheTest, AFullPageThatIsSharedIsNotCopied) {
    read(0, 128);
    cache_.fork(0, 1);
    read(1, 5);
    EXPECT_EQ(pages(1), (Pages{0, 1, 2}));
    cache_.truncate(1, 70);  // then the sequence goes on within a page
    read(1, 1);
    EXPECT_EQ(pages(1), (Pages{0, 2}));
}

}  // namespace
}  // namespace ql::test
