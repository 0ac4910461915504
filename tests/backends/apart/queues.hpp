// Two queues whose work is done in an order that a seed chooses, among all orders that their events allow.
//
// There is no thread: work is done while the host starts more of it, or waits. If an engine forgets a wait, the result
// is therefore wrong every time under the same seed, and not one time in a thousand.
#pragma once
#include <deque>
#include <functional>
#include <random>
#include <vector>

#include "backends/apart/faults.hpp"
#include "ggml/backend/queue.hpp"

namespace ql::apart {

class Queues {
  public:
    /// `owner`: the device that events name.
    Queues(DeviceImpl & owner, const Faults & faults);

    /// Puts work at the end of a queue, to be done once the events are reached.
    Event start(Queue queue, std::function<Status()> work, std::vector<Event> after = {});
    Event now(Queue queue) const;
    bool has_reached(const Event & event) const { return of(event.queue).done >= event.number; }
    /// Works until an event of this device is reached. Returns the first error since the last call. What was started
    /// after it and before this call was not done.
    Status finish(const Event & event);

  private:
    struct Item {
        std::function<Status()> work;
        std::vector<Event> after;
    };
    struct Line {
        std::deque<Item> waiting;
        uint64_t started = 0, done = 0;
    };
    Line & of(Queue queue) { return lines_[static_cast<size_t>(queue)]; }
    const Line & of(Queue queue) const { return lines_[static_cast<size_t>(queue)]; }
    bool is_ready(const Line & line) const;
    void do_first(Line & line);
    /// Does one piece of work, here or on a device that this one waits for; false if there is none that can be done.
    bool advance();

    DeviceImpl & owner_;
    Line lines_[std::size(kQueues)];
    std::minstd_rand random_;
    unsigned eager_;  // of 100 chances to work at once, how many are taken
    Status failed_;
};

/// The queues of a device of this backend.
Queues & queues_of(DeviceImpl & device);

}  // namespace ql::apart
