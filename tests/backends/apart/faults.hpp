// The faults and choices that $QL_APART asks of a device.
//
// QL_APART="alloc=3,copy=5,lost=2": of every device that is then opened, the third allocation, the fifth copy and the
// second run (after which the device stays lost) fail. "seed=7": the order in which the two queues take turns.
// "delay=100": so many of 100 pieces of work are not begun before somebody waits. "without_rope=1": no rope kernel.
// "refused=1": the first device cannot be opened.
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
    /// How many devices cannot be opened.
    long refused() const { return refused_; }
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
    long seed_ = 1, delay_ = 50, refused_ = 0;
};

}  // namespace ql::apart
