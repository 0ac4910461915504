#include "backends/apart/queues.hpp"

#include <algorithm>

namespace ql::apart {

Queues::Queues(DeviceImpl & owner, const Faults & faults)
    : owner_(owner),
      random_(static_cast<unsigned>(faults.seed())),
      eager_(100 - static_cast<unsigned>(faults.delay())) {}

Event Queues::start(Queue queue, std::function<Status()> work, std::vector<Event> after) {
    Line & line = of(queue);
    line.waiting.push_back({std::move(work), std::move(after)});
    ++line.started;
    while (random_() % 100 < eager_ && advance()) {
    }
    return now(queue);
}

Event Queues::now(Queue queue) const {
    return {&owner_, queue, of(queue).started};
}

bool Queues::is_ready(const Line & line) const {
    const auto reached = [](const Event & e) { return queues_of(*e.device).has_reached(e); };
    return !line.waiting.empty() &&
           std::all_of(line.waiting.front().after.begin(), line.waiting.front().after.end(), reached);
}

void Queues::do_first(Line & line) {
    const Item item = std::move(line.waiting.front());
    line.waiting.pop_front();
    if (failed_.ok()) failed_ = item.work();
    ++line.done;
}

bool Queues::advance() {
    Line * ready[std::size(kQueues)];
    size_t n = 0;
    for (Line & line : lines_)
        if (is_ready(line)) ready[n++] = &line;
    if (n > 0) {
        do_first(*ready[random_() % n]);
        return true;
    }
    for (const Line & line : lines_)
        if (!line.waiting.empty())
            for (const Event & e : line.waiting.front().after)
                if (e.device != &owner_ && queues_of(*e.device).advance()) return true;
    return false;
}

Status Queues::finish(const Event & event) {
    while (!has_reached(event))
        if (!advance()) return error(QL_INTERNAL, "apart: a queue waits for what can never come");
    return std::exchange(failed_, Status());
}

}  // namespace ql::apart
