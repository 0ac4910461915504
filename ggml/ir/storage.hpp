// Bytes on a device, or borrowed from the host.
#pragma once
#include <cstddef>
#include <utility>

#include "ql/backend.h"

namespace ql {

/// Owns its bytes if it has a `free`; can be moved, not copied.
struct Storage {
    ql_device * device = nullptr;  // null: host memory
    void * data = nullptr;
    size_t bytes = 0;
    void (*free)(Storage &) = nullptr;

    Storage() = default;
    Storage(ql_device * device, void * data, size_t bytes, void (*free)(Storage &) = nullptr)
        : device(device), data(data), bytes(bytes), free(free) {}
    Storage(Storage && other) noexcept { swap(other); }
    Storage & operator=(Storage && other) noexcept {
        swap(other);
        return *this;
    }
    ~Storage() {
        if (free && data) free(*this);
    }

  private:
    void swap(Storage & other) noexcept {
        std::swap(device, other.device);
        std::swap(data, other.data);
        std::swap(bytes, other.bytes);
        std::swap(free, other.free);
    }
};

}  // namespace ql
