// How work is handed out to threads.
#include "backends/cpu/pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

using ql::cpu::Pool;

namespace {

TEST(Pool, EveryUnitRunsOnceOnAThreadOfThePool) {
    for (const int threads : {1, 2, 3, 8}) {
        Pool pool(threads);
        for (const int64_t n : {0, 1, 2, 7, 8, 85, 1000}) {
            std::vector<std::atomic<int>> count(static_cast<size_t>(n));
            pool.run(n, [&](int64_t unit, int thread) {
                EXPECT_GE(thread, 0);
                EXPECT_LT(thread, threads);
                ++count[static_cast<size_t>(unit)];
            });
            for (const auto & c : count) EXPECT_EQ(c, 1) << n << ' ' << threads;
        }
    }
}

TEST(Pool, EveryUnitRunsOnceInManyJobsOneAfterTheOther) {
    Pool pool(3);
    constexpr int64_t kUnits = 50;
    std::vector<int> count(kUnits, 0);
    constexpr int kJobs = 2000;
    for (int job = 0; job < kJobs; ++job)
        pool.run(kUnits, [&](int64_t unit, int) { ++count[static_cast<size_t>(unit)]; });
    for (const int n : count) EXPECT_EQ(n, kJobs);
}

/// Waits until `done` is `n`; false after half a minute.
bool wait_for(const std::atomic<int64_t> & done, int64_t n) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (done.load() < n) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::yield();
    }
    return true;
}

TEST(Pool, AThreadThatIsHeldUpKeepsBackNoOtherUnit) {
    Pool pool(2);
    constexpr int64_t kUnits = 40;
    for (const int64_t held : {int64_t{0}, kUnits / 2, kUnits - 1}) {
        std::atomic<int64_t> done{0};
        std::atomic<bool> others_were_done{false};
        pool.run(kUnits, [&](int64_t unit, int) {
            if (unit == held) others_were_done = wait_for(done, kUnits - 1);
            ++done;
        });
        EXPECT_TRUE(others_were_done) << "unit " << held;
    }
}

}  // namespace
