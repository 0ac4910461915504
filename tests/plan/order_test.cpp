// Who waits for whom on queues that run side by side: as many waits as are needed, and no more.
#include "ggml/plan/order.hpp"

#include <gtest/gtest.h>

#include <random>

namespace ql::test {
namespace {

using Waits = std::vector<size_t>;

bool in_common(const std::vector<MemoryAccess> & a, const std::vector<MemoryAccess> & b) {
    for (const MemoryAccess & x : a)
        for (const MemoryAccess & y : b)
            if ((x.writes || y.writes) && x.first < y.first + y.bytes && y.first < x.first + x.bytes) return true;
    return false;
}

class Orders : public testing::Test {
  protected:
    MemoryAccess reads(size_t first, size_t bytes) const { return {memory + first, bytes, false}; }
    MemoryAccess writes(size_t first, size_t bytes) const { return {memory + first, bytes, true}; }

    std::byte memory[1000];
    Order order{3};
};

TEST_F(Orders, AReaderWaitsForTheWriter) {
    EXPECT_EQ(order.add(0, {writes(0, 10)}), Waits());
    EXPECT_EQ(order.add(1, {reads(9, 10)}), Waits{0});
    EXPECT_EQ(order.add(2, {reads(10, 10)}), Waits()) << "the bytes beside it are nobody's";
}

TEST_F(Orders, AWriterWaitsForTheReadersOfWhatItOverwrites) {
    order.add(0, {reads(0, 10)});
    order.add(1, {reads(0, 10)});
    EXPECT_EQ(order.add(2, {writes(5, 1)}), (Waits{1, 0}));
}

TEST_F(Orders, AWriterWaitsForAWriterOfTheSameBytes) {
    order.add(0, {writes(0, 10)});
    EXPECT_EQ(order.add(1, {writes(0, 10)}), Waits{0});
}

TEST_F(Orders, ReadersDoNotWaitForEachOther) {
    order.add(0, {reads(0, 10)});
    EXPECT_EQ(order.add(1, {reads(0, 10)}), Waits());
}

TEST_F(Orders, AQueueKeepsItsOwnOrder) {
    order.add(0, {writes(0, 10)});
    EXPECT_EQ(order.add(0, {reads(0, 10)}), Waits());
}

TEST_F(Orders, OnlyTheLastOfAQueueIsWaitedFor) {
    order.add(0, {writes(0, 10)});
    order.add(0, {writes(10, 10)});
    EXPECT_EQ(order.add(1, {reads(0, 20)}), Waits{1});
    EXPECT_EQ(order.add(1, {reads(0, 10)}), Waits()) << "it has waited already";
}

TEST_F(Orders, WhatAnotherHasWaitedForIsDone) {
    order.add(0, {writes(0, 10)});
    order.add(1, {reads(0, 10), writes(20, 10)});
    EXPECT_EQ(order.add(2, {reads(0, 10), reads(20, 10)}), Waits{1});
}

TEST_F(Orders, TheLastOfEachQueueIsEnough) {
    order.add(1, {writes(0, 10)});
    order.add(0, {writes(10, 10)});
    order.add(1, {writes(20, 10)});
    EXPECT_EQ(order.add(2, {reads(0, 30)}), (Waits{2, 1}));
}

/// Of random steps, any two that share memory are ordered by queues and waits, at any distance.
TEST_F(Orders, KeepEveryPairThatNeedsIt) {
    std::minstd_rand random(1);
    struct Step {
        size_t queue;
        std::vector<MemoryAccess> accesses;
    };
    std::vector<Step> steps;
    std::vector<std::vector<bool>> before;  // [i][j]: j has ended when i starts
    for (size_t i = 0; i < 300; ++i) {
        Step step{random() % 3, {}};
        for (int a = 0; a < 3; ++a) {
            const size_t first = random() % 900;
            step.accesses.push_back({memory + first, 1 + random() % 20, random() % 3 == 0});
        }
        std::vector<bool> done(i, false);
        const auto ends = [&](size_t j) {
            done[j] = true;
            for (size_t k = 0; k < j; ++k) done[k] = done[k] || before[j][k];
        };
        for (const size_t j : order.add(step.queue, step.accesses)) ends(j);
        for (size_t j = 0; j < i; ++j)
            if (steps[j].queue == step.queue) ends(j);
        for (size_t j = 0; j < i; ++j) {
            EXPECT_TRUE(done[j] || !in_common(step.accesses, steps[j].accesses)) << i << " after " << j;
        }
        before.push_back(std::move(done));
        steps.push_back(std::move(step));
    }
}

}  // namespace
}  // namespace ql::test
