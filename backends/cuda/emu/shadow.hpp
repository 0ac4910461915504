// Who wrote each byte of shared and global memory last, and who has read it since: the check for races.
//
// Time is counted in intervals: one ends where all threads of a block pass a barrier. Intervals have numbers that only
// grow; blocks run one after the other, so an interval's number says whether it belongs to this block, to an earlier
// block of the same launch, or to an earlier launch. Two accesses to a byte, one of them a write, are a race if nothing
// orders them: a barrier between them, __syncwarp between lanes of a warp, or the end of a launch.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ql::cuda::emu {

/// The thread that accesses, and when.
struct Access {
    uint32_t thread;      // its number in the block, below 1024
    uint32_t warp_syncs;  // of its warp so far
    uint32_t interval, block_start, launch_start;
};

/// Of one byte.
struct Shadow {
    uint32_t wrote_at = 0, writer = 0;  // interval; thread | warp_syncs << 10, or kInFlight
    uint32_t read_at = 0, reader = 0;   // interval; thread | warp_syncs << 10 | flags

    static constexpr uint32_t kThread = 1023, kSyncsShift = 10, kSyncs = 0x3ffff;
    static constexpr uint32_t kInFlight = 1u << 31;
    static constexpr uint32_t kManyLanes = 1u << 29, kManyWarps = 1u << 30, kOtherBlocks = 1u << 31;

    /// Null, or what is wrong with the access; `in_shared`: the byte is of shared memory.
    const char * read(const Access & a, bool in_shared);
    const char * write(const Access & a);
    /// A copy by cp.async is on its way to the byte.
    void begin_copy() { writer |= kInFlight; }
    void end_copy(const Access & a);

  private:
    const char * after_writer(const Access & a) const;
    const char * after_readers(const Access & a) const;
};

}  // namespace ql::cuda::emu
