#include "backends/vulkan/transfers.hpp"

#include <algorithm>
#include <cstring>

namespace ql::vulkan {
namespace {

constexpr size_t kPiece = size_t{4} << 20;  // bytes that go through pinned memory at a time

bool overlaps(const Landing & landing, const void * data, size_t bytes) {
    const auto *a = static_cast<const std::byte *>(landing.to), *b = static_cast<const std::byte *>(data);
    return a < b + bytes && b < a + landing.bytes;
}

}  // namespace

Transfers::~Transfers() {
    for (Slot & slot : slots_) timeline_.free(slot.commands);  // pinned memory goes with the device's
}

Status Transfers::finish(uint64_t number) {
    QL_TRY(timeline_.wait(number));
    for (; !landings_.empty() && landings_.front().after <= number; landings_.pop_front()) {
        const Landing & landing = landings_.front();
        std::memcpy(landing.to, landing.from, landing.bytes);
    }
    return {};
}

Status Transfers::settle(const void * data, size_t bytes) {
    uint64_t last = 0;
    for (const Landing & landing : landings_)
        if (overlaps(landing, data, bytes)) last = landing.after;
    return last > 0 ? finish(last) : Status();
}

Result<Transfers::Slot *> Transfers::next_slot(bool pinned) {
    Slot & slot = slots_[next_++ % std::size(slots_)];
    QL_TRY(finish(slot.last));
    if (!slot.commands) {
        QL_ASSIGN(slot.commands, timeline_.make_commands());
    }
    if (pinned && !slot.pinned) {
        QL_ASSIGN(void * memory, memory_.allocate(MemoryKind::pinned, kPiece));
        slot.pinned = static_cast<std::byte *>(memory);
    }
    QL_TRY(recorder_.begin(slot.commands));
    return &slot;
}

Status Transfers::submit(Slot & slot) {
    QL_TRY(recorder_.end());
    QL_TRY(timeline_.submit(slot.commands));
    slot.last = timeline_.submitted();
    return {};
}

Status Transfers::clear(void * data, size_t bytes) {
    QL_ASSIGN(const Place to, memory_.find(data, bytes));
    QL_ASSIGN(Slot * slot, next_slot(false));
    recorder_.fill(to, bytes);
    QL_TRY(submit(*slot));
    return timeline_.wait(slot->last);
}

Status Transfers::copy_on_host(const Copy & copy) {
    QL_TRY(finish(timeline_.submitted()));
    std::memcpy(copy.to, copy.from, copy.bytes);
    return {};
}

/// A copy that one piece of pinned memory has room for, or that needs none.
Status Transfers::start_piece(const Copy & copy) {
    const bool from_host = copy.from_memory == MemoryKind::host, to_host = copy.to_memory == MemoryKind::host;
    if (from_host) QL_TRY(settle(copy.from, copy.bytes));
    QL_ASSIGN(Slot * slot, next_slot(from_host || to_host));
    if (from_host) std::memcpy(slot->pinned, copy.from, copy.bytes);
    QL_ASSIGN(const Place from, memory_.find(from_host ? slot->pinned : copy.from, copy.bytes));
    QL_ASSIGN(const Place to, memory_.find(to_host ? slot->pinned : copy.to, copy.bytes));
    recorder_.copy(to, from, copy.bytes);
    QL_TRY(submit(*slot));
    if (to_host) add({slot->last, copy.to, slot->pinned, copy.bytes});
    return {};
}

Status Transfers::start(const Copy & copy) {
    if (copy.bytes == 0) return {};
    if (copy.from_memory != MemoryKind::device && copy.to_memory != MemoryKind::device) return copy_on_host(copy);
    if (copy.from_memory != MemoryKind::host && copy.to_memory != MemoryKind::host) return start_piece(copy);
    for (size_t at = 0; at < copy.bytes; at += kPiece) {
        Copy piece = copy;
        piece.to = static_cast<std::byte *>(copy.to) + at;
        piece.from = static_cast<const std::byte *>(copy.from) + at;
        piece.bytes = std::min(kPiece, copy.bytes - at);
        QL_TRY(start_piece(piece));
    }
    return {};
}

}  // namespace ql::vulkan
