// Work on several threads whose results depend on no number of threads: each unit is computed by one thread, alone.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "ql/status.hpp"

namespace ql {

/// Calls f(unit) for each unit in [0, n) on up to `threads` threads, the caller's among them, and returns when all are
/// done. Where the system starts fewer threads, those do the work. An exception of f is thrown again here.
void parallel_for(int threads, int64_t n, const std::function<void(int64_t unit)> & f);

/// How threads are shared between large pieces of work, each of which holds some memory.
struct Shares {
    int at_once, of_each;
};
/// At most 1 GB together, but at least one piece at a time.
Shares share_threads(int threads, int64_t bytes_of_each);

/// Units that threads compute ahead of a caller who takes them one after the other.
class Ahead {
  public:
    /// Calls make(unit) for the units of [0, n), at most `window` of which lie between the first that was not taken and
    /// the last that is begun. With one thread a unit is made when it is taken.
    Ahead(int threads, int64_t n, int64_t window, std::function<Status(int64_t unit)> make);
    /// Waits for what is being made; the rest is not begun.
    ~Ahead();
    Ahead(const Ahead &) = delete;
    Ahead & operator=(const Ahead &) = delete;

    /// Waits for the next unit, and returns what make() returned for it, or throws what it threw.
    Status wait();
    /// Done with the unit that wait() was for: the window moves.
    void release();

  private:
    struct Made {
        bool done = false;
        Status status;
        std::exception_ptr thrown;
    };
    void work();
    Made made(int64_t unit) const;

    const int64_t n_, window_;
    const std::function<Status(int64_t)> make_;
    std::mutex mutex_;
    std::condition_variable changed_;
    int64_t next_ = 0, taken_ = 0;  // the next unit to begin, the next to take
    bool stop_ = false;
    std::vector<Made> ring_;  // unit u is at u mod window
    std::vector<std::thread> threads_;
};

}  // namespace ql
