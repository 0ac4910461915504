// Work on several threads: every unit once, in order where somebody takes them in order, and failures that arrive.
#include "models/base/parallel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

namespace ql::test {
namespace {

TEST(ParallelFor, CallsEachUnitOnce) {
    for (const int threads : {1, 2, 7}) {
        std::vector<std::atomic<int>> calls(100);
        parallel_for(threads, 100, [&](int64_t unit) { ++calls[static_cast<size_t>(unit)]; });
        for (const auto & n : calls) EXPECT_EQ(n, 1);
    }
    parallel_for(4, 0, [](int64_t) { FAIL() << "there are no units"; });
}

TEST(ParallelFor, ThrowsWhatAUnitThrew) {
    for (const int threads : {1, 4})
        EXPECT_THROW(parallel_for(threads, 50,
                                  [](int64_t unit) {
                                      if (unit == 20) throw std::runtime_error("20");
                                  }),
                     std::runtime_error);
}

TEST(ShareThreads, KeepsMemoryInBounds) {
    const auto is = [](Shares s, int at_once, int of_each) {
        EXPECT_EQ(s.at_once, at_once);
        EXPECT_EQ(s.of_each, of_each);
    };
    is(share_threads(8, 1), 8, 1);
    is(share_threads(8, int64_t{1} << 28), 4, 2);
    is(share_threads(8, int64_t{1} << 40), 1, 8);
    is(share_threads(1, int64_t{1} << 40), 1, 1);
}

TEST(Ahead, GivesUnitsInOrderAndNeverTooMany) {
    for (const int threads : {1, 3}) {
        constexpr int64_t kWindow = 4;
        std::vector<int64_t> made(50, -1);
        std::atomic<int64_t> begun{0}, taken{0}, most{0};
        Ahead ahead(threads, 50, kWindow, [&](int64_t unit) {
            const int64_t open = ++begun - taken;
            for (int64_t seen = most; seen < open && !most.compare_exchange_weak(seen, open);) {
            }
            made[static_cast<size_t>(unit)] = unit * unit;
            return Status();
        });
        for (int64_t unit = 0; unit < 50; ++unit) {
            ASSERT_TRUE(ahead.wait().ok());
            EXPECT_EQ(made[static_cast<size_t>(unit)], unit * unit);
            ++taken;
            ahead.release();
        }
        EXPECT_EQ(begun, 50);
        EXPECT_LE(most, kWindow);
    }
}

TEST(Ahead, SaysOfAUnitThatItFailed) {
    for (const int threads : {1, 3}) {
        Ahead ahead(threads, 10, 2, [](int64_t unit) -> Status {
            if (unit == 1) return error(QL_BAD_FILE, "unit 1");
            if (unit == 2) throw std::bad_alloc();
            return {};
        });
        EXPECT_TRUE(ahead.wait().ok());
        ahead.release();
        EXPECT_EQ(ahead.wait().message(), "unit 1");
        ahead.release();
        EXPECT_THROW((void)ahead.wait(), std::bad_alloc);
    }
}

TEST(Ahead, EndsBeforeAllIsTaken) {
    std::atomic<int> begun{0};
    {
        Ahead ahead(2, 1000, 3, [&](int64_t) { return ++begun, Status(); });
        EXPECT_TRUE(ahead.wait().ok());
    }
    EXPECT_LE(begun, 3);
}

}  // namespace
}  // namespace ql::test
