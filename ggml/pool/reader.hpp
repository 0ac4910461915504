// Reads ranges of files ahead, on a thread of its own: who computes never waits for a page fault, only for a read that
// was not started early enough, and knows that it waits.
#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <span>
#include <thread>

#include "ggml/core/os/os.hpp"

namespace ql {

struct PageRead {
    os::FileRange from;
    void * to = nullptr;
};

class PageReader {
  public:
    PageReader() = default;
    PageReader(const PageReader &) = delete;
    PageReader & operator=(const PageReader &) = delete;
    /// Waits for the read at hand; what was not begun is dropped.
    ~PageReader();

    /// Starts reads, which are done in order, after those that were started before. errors: no thread
    Status start(std::span<const PageRead> reads);
    /// Returns when so many reads of all that were ever started are done; the first error of one of them, once.
    Status wait(uint64_t number);
    /// Returns when nothing is read any more; errors are forgotten.
    void drain();

    /// Reads that were started so far.
    uint64_t started() const;
    uint64_t bytes_read() const;
    double seconds_waited() const { return waited_; }

  private:
    void work();

    mutable std::mutex mutex_;
    std::condition_variable todo_, done_;
    std::deque<PageRead> queue_;
    uint64_t started_ = 0, finished_ = 0, bytes_ = 0;
    double waited_ = 0;
    bool stop_ = false;
    Status status_;
    std::thread thread_;
};

}  // namespace ql
