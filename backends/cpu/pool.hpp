// The thread pool: workers that spin for a moment before they sleep, and one way to split work.
//
// Work is a number of units. Each thread begins with a contiguous share of them, so that the same rows of a tensor meet
// the same cache from one kernel to the next, and takes units off its front; a thread with none left takes units off
// the back of the others' shares. A thread that the system runs late - another program has its processor - delays a
// kernel by the unit it is at, not by its share. A unit's result must not depend on which thread computes it: then any
// number of threads, in any order, gives the same bits.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace ql::cpu {

class Pool {
  public:
    /// Throws std::system_error if the system starts no more threads; those that were started have ended then.
    explicit Pool(int threads);
    ~Pool();
    Pool(const Pool &) = delete;
    Pool & operator=(const Pool &) = delete;

    int threads() const { return threads_; }

    /// Calls f(unit, thread) for each unit in [0, n), n < 2^32; `thread` is in [0, threads()) and differs between calls
    /// at the same time. Returns when all are done. Not reentrant; one caller at a time: plans take turns on a device.
    template <typename F>
    void run(int64_t n, const F & f) {
        if (n <= 0) return;
        if (threads_ == 1 || n == 1) {
            for (int64_t unit = 0; unit < n; ++unit) f(unit, 0);
            return;
        }
        dispatch(
            {&f, n, [](const void * fn, int64_t unit, int thread) { (*static_cast<const F *>(fn))(unit, thread); }});
    }

  private:
    struct PoolJob {
        const void * f = nullptr;
        int64_t n = 0;
        void (*call)(const void * f, int64_t unit, int thread) = nullptr;
    };
    /// What is left of a thread's share: first unit in the upper half, end in the lower. On a cache line of its own.
    struct alignas(64) Share {
        std::atomic<uint64_t> range{0};
    };
    enum class End { front, back };

    void stop_and_join();
    void dispatch(PoolJob job);
    void work(int thread);
    void do_units(int thread);
    int64_t do_share(int owner, End end, int thread);
    bool has_units(int thread) const;

    const int threads_;
    int spins_ = 0;  // before sleeping; none with more threads than processors
    const std::unique_ptr<Share[]> shares_;
    alignas(64) PoolJob job_;
    std::atomic<uint32_t> epoch_{0};            // counts jobs; workers that sleep wait for it to change
    std::atomic<bool> stop_{false};             // with a change of epoch_
    alignas(64) std::atomic<int64_t> left_{0};  // units of the job that are not done
    std::vector<std::thread> workers_;
};

}  // namespace ql::cpu
