// What a device is to do otherwise than as well as it can, from the environment.
//
// QL_APART="alloc=3,copy=5,lost=2": the third allocation, the fifth copy and the second run (after which the device
// stays lost) of every device that is opened then fail. "seed=7": the order in which the two queues take turns.
// "delay=100": that many of 100 works are not begun before somebody waits. "without_rope=1": no kernel for rope.
#pragma once
#include <string_view>

#include "ql/status.hpp"

namespace ql::apart {

class Faults {
  public:
    /// From $QL_APART. errors: QL_INVALID_ARGUMENT names what it does not know.
    static Result<Faults> from_environment();

    Status before_allocation();
    Status before_copy();
    Status before_run();
    bool without_rope() const { return without_rope_; }
    long seed() const { return seed_; }
    long delay() const { return delay_; }

  private:
    /// Counts events; true for the one that is meant.
    struct Countdown {
        long at = 0, seen = 0;
        bool now() { return at > 0 && ++seen == at; }
    };
    Status set(std::string_view name, long at);
    Status check_lost() const;

    Countdown allocation_, copy_, run_;
    bool lost_ = false, without_rope_ = false;
    long seed_ = 1, delay_ = 50;
};

}  // namespace ql::apart
