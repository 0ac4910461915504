// Moves pages between files and memory on a thread of its own: who computes never waits for a page fault, only for a
// read that was not started early enough, and knows that it waits.
#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <span>
#include <thread>

#include "ggml/core/os/os.hpp"

namespace ql {

/// Bytes of a file that are read to memory, or written from it.
struct PageMove {
    os::FileRange file;
    std::byte * memory = nullptr;
    bool out = false;  // written to the file
};

class PageQueue {
  public:
    PageQueue() = default;
    PageQueue(const PageQueue &) = delete;
    PageQueue & operator=(const PageQueue &) = delete;
    /// Waits for the move at hand; what was not begun is dropped.
    ~PageQueue();

    /// Starts moves, which are done in order, after those that were started before. errors: no thread
    Status start(std::span<const PageMove> moves);
    /// Returns when so many moves of all that were ever started are done; the first error of one of them, once.
    Status wait(uint64_t number);
    /// Returns when nothing is moved any more; errors are forgotten.
    void drain();

    /// Moves that were started so far.
    uint64_t started() const;
    uint64_t bytes_read() const;
    uint64_t bytes_written() const;
    double seconds_waited() const { return waited_; }

  private:
    void work();

    mutable std::mutex mutex_;
    std::condition_variable todo_, done_;
    std::deque<PageMove> queue_;
    uint64_t started_ = 0, finished_ = 0, read_ = 0, written_ = 0;
    double waited_ = 0;
    bool stop_ = false;
    Status status_;
    std::thread thread_;
};

}  // namespace ql
