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

    bool operator==(const Shadow &) const = default;
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

inline uint32_t stamp(const Access & a) {
    return a.thread | (a.warp_syncs & Shadow::kSyncs) << Shadow::kSyncsShift;
}
inline uint32_t syncs_of(uint32_t who) {
    return who >> Shadow::kSyncsShift & Shadow::kSyncs;
}
inline bool same_warp(uint32_t who, const Access & a) {
    return (who & Shadow::kThread) / 32 == a.thread / 32;
}
/// __syncwarp was between what `who` did and the access, which is of the same interval.
inline bool ordered_in_warp(uint32_t who, const Access & a) {
    return same_warp(who, a) && syncs_of(who) < (a.warp_syncs & Shadow::kSyncs);
}

inline const char * Shadow::after_writer(const Access & a) const {
    if (wrote_at < a.launch_start) return nullptr;
    if (wrote_at < a.block_start) return "another block has written it, and nothing orders blocks";
    if (writer & kInFlight) return "cp.async is still copying to it";
    if (wrote_at != a.interval || (writer & kThread) == a.thread || ordered_in_warp(writer, a)) return nullptr;
    return "another thread has written it since the last barrier";
}

inline const char * Shadow::after_readers(const Access & a) const {
    if (read_at < a.launch_start) return nullptr;
    if (read_at < a.block_start || reader & kOtherBlocks) return "another block has read it, and nothing orders blocks";
    if (read_at != a.interval) return nullptr;
    if (reader & kManyWarps) return "other threads have read it since the last barrier";
    if (ordered_in_warp(reader, a)) return nullptr;
    const bool own = (reader & kThread) == a.thread && !(reader & kManyLanes);
    return own ? nullptr : "another thread has read it since the last barrier";
}

inline const char * Shadow::read(const Access & a, bool in_shared) {
    if (in_shared && wrote_at < a.block_start) return "nobody has written it yet";
    if (const char * trouble = after_writer(a)) return trouble;
    const uint32_t others =
        read_at >= a.launch_start && (read_at < a.block_start || reader & kOtherBlocks) ? kOtherBlocks : 0;
    uint32_t now = stamp(a) | others;
    if (read_at == a.interval) {
        if (reader & kManyWarps || !same_warp(reader, a))
            now |= kManyWarps;
        else if (syncs_of(reader) == syncs_of(now) && ((reader & kThread) != a.thread || reader & kManyLanes))
            now |= kManyLanes;
    }
    read_at = a.interval, reader = now;
    return nullptr;
}

inline const char * Shadow::write(const Access & a) {
    if (const char * trouble = after_writer(a)) return trouble;
    if (const char * trouble = after_readers(a)) return trouble;
    wrote_at = a.interval, writer = stamp(a);
    return nullptr;
}

inline void Shadow::end_copy(const Access & a) {
    wrote_at = a.interval, writer = stamp(a);
}

}  // namespace ql::cuda::emu
