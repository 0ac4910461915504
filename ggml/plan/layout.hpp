// Offsets of buffers whose lifetimes are known: two of them may share bytes if they never live together.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "ql/backend.h"

namespace ql {

/// The memories that a plan has for a device.
enum class Region {
    arena,    // results and scratch, which other plans may use between two runs
    outputs,  // results that are read after a run, each on its own
    staging,  // host memory: what is on its way from the device to another one
    carried,  // results that live from one phase to another, where a plan has several lanes: each lane has its own
    slots,  // such results that are on disk between two phases: of the lane that runs, and of those before and after it
    pages,  // weights that are read for some phases and dropped
    count
};
template <typename T>
using ByRegion = std::array<T, static_cast<size_t>(Region::count)>;

/// Bytes in a plan's memory, from the first step that writes them to the last that reads them.
struct Buffer {
    ql_device * device = nullptr;
    size_t bytes = 0;
    int64_t first = 0, last = 0;  // both included
    Region region = Region::arena;
    size_t offset = 0;  // the answer: the place in its region
    // A buffer that is on disk between two uses has another place from the second on:
    size_t continued = std::numeric_limits<size_t>::max();  // the buffer of that place; none: it has but one
    int64_t continued_from = 0;                             // the first step that finds it there
};

/// Bytes of each region.
struct Layout : ByRegion<size_t> {
    size_t & of(Region region) { return (*this)[static_cast<size_t>(region)]; }
    size_t of(Region region) const { return (*this)[static_cast<size_t>(region)]; }
};

/// The next multiple of the alignment.
constexpr size_t padded(size_t bytes, size_t alignment) {
    return (bytes + alignment - 1) / alignment * alignment;
}

/// Lanes whose results are in memory at once where those between two phases are on disk.
inline constexpr size_t kLaneSlots = 3;

/// How many memories of a region a plan of so many lanes has; lane i uses that of its number modulo them.
constexpr size_t memories_of(Region region, size_t lanes) {
    if (region == Region::outputs || region == Region::carried) return lanes;
    return region == Region::slots ? std::min(lanes, kLaneSlots) : 1;
}

/// Places the buffers of one device, largest first, each at the lowest offset that is free during its life; outputs one
/// after the other. Offsets are multiples of the alignment.
Layout place_buffers(std::span<Buffer> buffers, const ql_device * device, size_t alignment);

}  // namespace ql
