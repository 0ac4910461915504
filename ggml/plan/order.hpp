// Which steps must wait for which, where several queues run side by side.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace ql {

/// Bytes that a step reads or writes.
struct MemoryAccess {
    const std::byte * first = nullptr;
    size_t bytes = 0;
    bool writes = false;
};

/// Steps, added in an order that is right on one queue, and the waits that keep it right on several: a step
/// waits for those before it on other queues that have bytes in common with it, if one of the two writes them.
class Order {
  public:
    explicit Order(size_t queues) : last_(queues, kNone) {}

    /// Adds a step. Returns the earlier steps that it must wait for itself: none on its own queue, and none that has
    /// surely ended when another of them has.
    std::vector<size_t> add(size_t queue, std::vector<MemoryAccess> accesses);

  private:
    static constexpr size_t kNone = 0;  // else a step's number + 1

    struct Added {
        size_t queue;
        std::vector<MemoryAccess> accesses;
        std::vector<size_t> done;  // by queue: the last step that has ended when this one has
    };

    std::vector<Added> steps_;
    std::vector<size_t> last_;  // by queue
};

}  // namespace ql
