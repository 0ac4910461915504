// A job is published by a counter; workers spin on it for about 100 microseconds - longer than the gap between two
// kernels of a step - and then sleep in the kernel until it changes. Thread 0 is the caller.
#include "backends/cpu/pool.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>

namespace ql::cpu {
namespace {

constexpr int kSpins = 20000;

inline void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/// The processors that this process may use.
std::vector<int> allowed_processors() {
    cpu_set_t set;
    std::vector<int> list;
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        for (int i = 0; i < CPU_SETSIZE; ++i)
            if (CPU_ISSET(i, &set)) list.push_back(i);
    return list;
}

void pin(std::thread & thread, int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    (void)pthread_setaffinity_np(thread.native_handle(), sizeof(set), &set);  // a hint: failing costs speed alone
}

}  // namespace

Pool::Pool(int threads) : threads_(std::max(threads, 1)) {
    const std::vector<int> processors = allowed_processors();
    if (threads_ <= static_cast<int>(processors.size())) spins_ = kSpins;
    for (int i = 1; i < threads_; ++i) {
        workers_.emplace_back([this, i] { work(i); });
        if (threads_ <= static_cast<int>(processors.size())) pin(workers_.back(), processors[static_cast<size_t>(i)]);
    }
}

Pool::~Pool() {
    stop_.store(true, std::memory_order_relaxed);
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
    for (std::thread & t : workers_) t.join();
}

void Pool::do_share(int thread) const {
    const int64_t first = job_.n * thread / threads_, last = job_.n * (thread + 1) / threads_;
    if (first < last) job_.call(job_.f, first, last, thread);
}

void Pool::dispatch(Job job) {
    job_ = job;
    pending_.store(threads_ - 1, std::memory_order_relaxed);
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
    do_share(0);
    for (int spins = 0;; ++spins) {
        const int32_t left = pending_.load(std::memory_order_acquire);
        if (left == 0) return;
        if (spins < spins_)
            relax();
        else
            pending_.wait(left, std::memory_order_acquire);
    }
}

void Pool::work(int thread) {
    uint32_t seen = 0;
    for (;;) {
        for (int spins = 0; epoch_.load(std::memory_order_acquire) == seen; ++spins) {
            if (spins < spins_)
                relax();
            else
                epoch_.wait(seen, std::memory_order_acquire);
        }
        ++seen;
        if (stop_.load(std::memory_order_relaxed)) return;
        do_share(thread);
        if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
    }
}

}  // namespace ql::cpu
