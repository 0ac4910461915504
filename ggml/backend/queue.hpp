// What a device does beside the host: copies and kernels that are started, and are waited for later.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ql {

class DeviceImpl;

/// Kinds of memory.
enum class MemoryKind {
    device,  // the device's own. If the host cannot read it, an address is a name that only the device understands
    pinned,  // the host's, held in place for a device: copies between the two run by themselves, at full speed
    host,    // any other memory of the host
};

/// Bytes to be copied. At least one end is the device's own memory, or else both are the host's.
struct Copy {
    void * to = nullptr;
    const void * from = nullptr;
    size_t bytes = 0;
    MemoryKind to_memory = MemoryKind::host;
    MemoryKind from_memory = MemoryKind::host;
};

/// A queue does its work in the order in which it was started. A device's two queues know nothing of each other,
/// and nothing of other devices, except through events.
enum class Queue { compute, copy };
inline constexpr Queue kQueues[] = {Queue::compute, Queue::copy};

/// A moment in a queue: it is reached when everything that was started there before is done.
struct Event {
    DeviceImpl * device = nullptr;
    Queue queue = Queue::compute;
    uint64_t number = 0;  // counts the work that was started; each device counts its own
};

}  // namespace ql
