// How work is handed out to threads.
#include "backends/cpu/pool.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

#include "ggml/backend/turns.hpp"
#include "support/in_child.hpp"

using ql::cpu::Pool;
using ql::test::exit_code_in_child;

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

TEST(Pool, CallersThatTakeTurnsShareIt) {
    Pool pool(3);
    ql::Turns turns;
    constexpr int kCallers = 3, kJobs = 500;
    constexpr int64_t kUnits = 40;
    std::vector<std::vector<int>> counts(kCallers, std::vector<int>(kUnits, 0));
    std::atomic<int> ready{0};
    std::vector<std::thread> callers;
    for (std::vector<int> & count : counts)
        callers.emplace_back([&] {
            ++ready;
            while (ready < kCallers) std::this_thread::yield();  // so that the callers overlap
            for (int job = 0; job < kJobs; ++job) {
                const ql::Turns::Held turn(turns);
                pool.run(kUnits, [&](int64_t unit, int) {
                    ++count[static_cast<size_t>(unit)];
                    if (unit % 10 == 0) std::this_thread::yield();
                });
            }
        });
    for (std::thread & caller : callers) caller.join();
    for (const auto & count : counts)
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

TEST(Pool, AThreadThatCannotStartIsAnErrorAndEndsTheOthers) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "sanitizers reserve more address space than the limit of this test";
#endif
    const int code = exit_code_in_child([] {
        const struct rlimit small = {size_t{1} << 30, size_t{1} << 30};
        if (::setrlimit(RLIMIT_AS, &small) != 0) return 1;
        void * beyond = ::mmap(nullptr, size_t{2} << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (beyond != MAP_FAILED) return 3;
        try {
            Pool pool(1024);  // stacks of 8 MiB each
            return 2;
        } catch (const std::system_error &) {
            return 0;
        }
    });
    if (code == 3) GTEST_SKIP() << "the limit of address space is not kept here, as under emulation";
    EXPECT_EQ(code, 0);
}

}  // namespace
