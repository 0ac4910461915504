// Offsets of buffers whose lifetimes are known: two of them may share bytes if they never live together.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "ql/backend.h"

namespace ql {

/// Bytes in a plan's memory, from the first step that writes them to the last that reads them.
struct Buffer {
    ql_device * device = nullptr;
    size_t bytes = 0;
    int64_t first = 0, last = 0;  // both included
    bool output = false;          // read after a run, too
    size_t offset = 0;            // the answer: in the arena, or in the memory of outputs
};

struct Layout {
    size_t arena = 0;    // bytes that other plans may use between two runs
    size_t outputs = 0;  // bytes that are the plan's own
};

/// Places the buffers of one device, largest first, each at the lowest offset that is free during its life; outputs one
/// after the other. Offsets are multiples of the alignment.
Layout place_buffers(std::span<Buffer> buffers, const ql_device * device, size_t alignment);

}  // namespace ql
