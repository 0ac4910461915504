// The thread pool: pinned workers that spin for a moment before they sleep, and one way to split work.
//
// Work is a number of tasks; each thread gets a contiguous range of them, fixed by the number of threads alone. A
// task's result must not depend on which thread runs it: then any number of threads gives the same bits.
#pragma once
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace ql::cpu {

class Pool {
  public:
    explicit Pool(int threads);
    ~Pool();
    Pool(const Pool &) = delete;
    Pool & operator=(const Pool &) = delete;

    int threads() const { return threads_; }

    /// Calls f(task, thread) for every task in [0, n). Returns when all are done. Not reentrant.
    template <typename F>
    void run(int64_t n, const F & f) {
        if (n <= 0) return;
        if (threads_ == 1 || n == 1) {
            for (int64_t i = 0; i < n; ++i) f(i, 0);
            return;
        }
        dispatch({&f, n, [](const void * fn, int64_t first, int64_t last, int thread) {
                      for (int64_t i = first; i < last; ++i) (*static_cast<const F *>(fn))(i, thread);
                  }});
    }

  private:
    struct Job {
        const void * f = nullptr;
        int64_t n = 0;
        void (*call)(const void * f, int64_t first, int64_t last, int thread) = nullptr;
    };

    void dispatch(Job job);
    void work(int thread);
    void do_share(int thread) const;

    const int threads_;
    int spins_ = 0;  // before sleeping; none with more threads than processors
    Job job_;
    std::atomic<uint32_t> epoch_{0};   // counts jobs; workers wait for it to change
    std::atomic<int32_t> pending_{0};  // workers that have not finished the job
    std::atomic<bool> stop_{false};
    std::vector<std::thread> workers_;
};

}  // namespace ql::cpu
