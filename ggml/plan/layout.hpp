// Offsets in an arena for buffers whose lifetimes are known: two buffers may share bytes if they never live together.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace ql {

struct Buffer {
    size_t bytes = 0;
    int64_t first = 0, last = 0;  // steps at which it is needed, both included
    size_t offset = 0;            // the answer
};

/// Places the buffers, largest first, each at the lowest offset that is free during its life. Returns the arena's size.
size_t place_buffers(std::span<Buffer> buffers, size_t alignment);

}  // namespace ql
