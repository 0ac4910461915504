// Who may use a device now: callers from several threads take turns, in the order in which they came.
//
// A turn is one run of a plan, or a copy with the wait for it: a device tells an error to the next who waits, who must be
// the one that started the work. The price is two atomic additions. The order matters: a plain mutex would give the device
// back to the thread that has just had it, and another thread's session would starve beside a long training.
#pragma once
#include <atomic>
#include <cstdint>

namespace ql {

class Turns {
  public:
    /// Sleeps until the turn comes, and keeps it to the end of its scope.
    class Held {
      public:
        explicit Held(Turns & turns) : turns_(turns) {
            const uint32_t mine = turns.next_.fetch_add(1, std::memory_order_relaxed);
            for (uint32_t now; (now = turns.now_.load(std::memory_order_acquire)) != mine;)
                turns.now_.wait(now, std::memory_order_acquire);
        }
        ~Held() {
            turns_.now_.fetch_add(1, std::memory_order_release);
            turns_.now_.notify_all();  // no system call where nobody waits
        }
        Held(const Held &) = delete;
        Held & operator=(const Held &) = delete;

      private:
        Turns & turns_;
    };

  private:
    std::atomic<uint32_t> next_{0}, now_{0};  // the number that the next caller gets, and the one whose turn it is
};

}  // namespace ql
