// Moves pages between files and memory on threads of its own: who computes never waits for a page fault, only for a
// read that was not started early enough, and knows that it waits.
//
// Several pieces of the moves are under way at once, for a disk reaches its speed only so. Read from a cold disk of 1 GB/s:
// one thread 0.2 to 0.4 GB/s through the system's cache, four 0.8 to 1.2; past the cache 0.8 to 1.2 with a tenth of the
// processor's time. io_uring gave the same rates and the same processor time as threads, so there is none of it here.
#pragma once
#include <array>
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
    int direct = -1;   // os::open_direct's of the file, for os::read_direct's demands: what is not in the cache is read
                       // past it; -1: all goes through the cache
};

class PageQueue {
  public:
    PageQueue() = default;
    PageQueue(const PageQueue &) = delete;
    PageQueue & operator=(const PageQueue &) = delete;
    /// Waits for the pieces at hand; what was not begun is dropped.
    ~PageQueue();

    /// Starts moves. They begin in order and are done side by side: one that needs another's bytes, or writes over them,
    /// is started when that one has been waited for.
    /// errors   no thread
    Status start(std::span<const PageMove> moves);
    /// Returns when the first `number` moves of all that were ever started are done; the first error of one of them, once.
    Status wait(uint64_t number);
    /// Returns when nothing is moved any more; errors are forgotten.
    void drain();

    /// Moves that were started so far.
    uint64_t started() const;
    uint64_t bytes_read() const;
    uint64_t bytes_written() const;
    double seconds_waited() const { return waited_; }

  private:
    static constexpr size_t kPieceBytes = 1 << 20;

    /// A move that is not done.
    struct Moving {
        PageMove move;
        size_t begun = 0, done = 0;  // bytes
        bool is_done() const { return done == move.file.bytes; }
    };
    Status start_threads();
    void work();
    /// The next piece of the first move that is not begun whole.
    PageMove next_piece(Moving & moving);
    static Status move(const PageMove & piece);
    void finish(Moving & moving, const PageMove & piece, Status status);
    void drop_done();

    mutable std::mutex mutex_;
    std::condition_variable todo_, done_;
    std::deque<Moving> moving_;
    size_t next_ = 0;  // of these: the first that is not begun whole
    uint64_t started_ = 0, read_ = 0, written_ = 0;
    double waited_ = 0;
    bool stop_ = false;
    Status status_;
    std::array<std::thread, 4> threads_;
};

}  // namespace ql
