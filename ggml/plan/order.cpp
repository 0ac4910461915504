#include "ggml/plan/order.hpp"

#include <algorithm>

namespace ql {
namespace {

bool share_bytes(const MemoryAccess & a, const MemoryAccess & b) {
    return a.first < b.first + b.bytes && b.first < a.first + a.bytes;
}

bool conflict(std::span<const MemoryAccess> a, std::span<const MemoryAccess> b) {
    return std::any_of(a.begin(), a.end(), [&](const MemoryAccess & x) {
        return std::any_of(b.begin(), b.end(),
                           [&](const MemoryAccess & y) { return (x.writes || y.writes) && share_bytes(x, y); });
    });
}

}  // namespace

std::vector<size_t> Order::add(size_t queue, std::vector<MemoryAccess> accesses) {
    const size_t before = last_[queue];
    Added now = {queue, std::move(accesses),
                 before == kNone ? std::vector<size_t>(last_.size(), kNone) : steps_[before - 1].done};
    std::vector<size_t> waits;
    for (size_t number = steps_.size(); number > 0; --number) {
        const Added & other = steps_[number - 1];
        if (other.queue == queue || number <= now.done[other.queue] || !conflict(now.accesses, other.accesses))
            continue;
        waits.push_back(number - 1);
        for (size_t q = 0; q < last_.size(); ++q) now.done[q] = std::max(now.done[q], other.done[q]);
    }
    last_[queue] = steps_.size() + 1;
    now.done[queue] = last_[queue];
    steps_.push_back(std::move(now));
    return waits;
}

}  // namespace ql
