// A job is published by storing the shares, each on its thread's own cache line. A worker spins on its share for about
// 100 microseconds - longer than the gap between two kernels of a step - and then sleeps in the kernel until the count
// of jobs changes. Thread 0 is the caller; it waits for units, not for workers: a worker that wakes too late finds
// nothing to do.
//
// Whatever a thread takes from a share belongs to the job that is published at that moment, and that job cannot end
// before the thread has counted it as done. So a worker that is still looking for the last job's leftovers may take a
// unit of the next one: job_ is read after the unit is taken.
//
// Workers are not pinned: the system spreads them over the cores, knows which processors share one, and moves them away
// from one that somebody else uses. Measured with two threads on two processors, training, tok/s: alone 1230 pinned or
// not; with another busy program 180 with fixed shares, 560 with shares that others may take from, 610 with those and
// no pinning, of the 820 that the other program leaves.
#include "backends/cpu/pool.hpp"

#include <algorithm>

#include "ggml/core/os/os.hpp"

namespace ql::cpu {
namespace {

constexpr int kSpins = 20000;
constexpr int kNeighbours = 4;  // threads whose shares a thread looks into: each look may cost a transfer between cores
constexpr uint64_t kLower = 0xffffffff;

constexpr uint64_t pack(uint64_t first, uint64_t end) {
    return first << 32 | end;
}

inline void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

}  // namespace

Pool::Pool(int threads)
    : threads_(std::max(threads, 1)), shares_(std::make_unique<Share[]>(static_cast<size_t>(threads_))) {
    if (threads_ <= static_cast<int>(os::allowed_processors().size())) spins_ = kSpins;
    try {
        for (int i = 1; i < threads_; ++i) workers_.emplace_back([this, i] { work(i); });
    } catch (...) {
        stop_and_join();  // a thread that is not joined would end the process
        throw;
    }
}

Pool::~Pool() {
    stop_and_join();
}

void Pool::stop_and_join() {
    stop_.store(true, std::memory_order_relaxed);
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
    for (std::thread & t : workers_) t.join();
}

/// Takes the units of a share, one after the other, until there is none. Returns how many.
int64_t Pool::do_share(int owner, End from, int thread) {
    std::atomic<uint64_t> & range = shares_[static_cast<size_t>(owner)].range;
    int64_t done = 0;
    for (uint64_t seen = range.load(std::memory_order_relaxed);;) {
        const uint64_t first = seen >> 32, end = seen & kLower;
        if (first >= end) return done;
        const uint64_t left = from == End::front ? pack(first + 1, end) : pack(first, end - 1);
        if (!range.compare_exchange_weak(seen, left, std::memory_order_acq_rel, std::memory_order_relaxed)) continue;
        job_.call(job_.f, static_cast<int64_t>(from == End::front ? first : end - 1), thread);
        ++done;
        seen = left;
    }
}

void Pool::do_units(int thread) {
    int64_t done = do_share(thread, End::front, thread);
    for (int i = 1; i <= std::min(kNeighbours, threads_ - 1); ++i)
        done += do_share((thread + i) % threads_, End::back, thread);
    if (done > 0 && left_.fetch_sub(done, std::memory_order_acq_rel) == done) left_.notify_one();
}

void Pool::dispatch(PoolJob job) {
    job_ = job;
    left_.store(job.n, std::memory_order_relaxed);
    for (int i = 0; i < threads_; ++i)
        shares_[static_cast<size_t>(i)].range.store(
            pack(static_cast<uint64_t>(job.n * i / threads_), static_cast<uint64_t>(job.n * (i + 1) / threads_)),
            std::memory_order_release);
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
    do_units(0);
    for (int spins = 0;; ++spins) {
        const int64_t left = left_.load(std::memory_order_acquire);
        if (left == 0) return;
        if (spins < spins_)
            relax();
        else
            left_.wait(left, std::memory_order_acquire);
    }
}

bool Pool::has_units(int thread) const {
    const uint64_t range = shares_[static_cast<size_t>(thread)].range.load(std::memory_order_relaxed);
    return range >> 32 < (range & kLower);
}

void Pool::work(int thread) {
    for (int spins = 0;; ++spins) {
        if (has_units(thread)) {
            do_units(thread);
            spins = 0;
        }
        if (spins < spins_) {
            relax();
            continue;
        }
        const uint32_t seen = epoch_.load(std::memory_order_acquire);
        if (stop_.load(std::memory_order_relaxed)) return;
        if (!has_units(thread)) epoch_.wait(seen, std::memory_order_acquire);
    }
}

}  // namespace ql::cpu
