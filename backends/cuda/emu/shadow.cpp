#include "backends/cuda/emu/shadow.hpp"

namespace ql::cuda::emu {
namespace {

uint32_t stamp(const Access & a) {
    return a.thread | (a.warp_syncs & Shadow::kSyncs) << Shadow::kSyncsShift;
}
uint32_t syncs_of(uint32_t who) {
    return who >> Shadow::kSyncsShift & Shadow::kSyncs;
}
bool same_warp(uint32_t who, const Access & a) {
    return (who & Shadow::kThread) / 32 == a.thread / 32;
}
/// __syncwarp was between what `who` did and the access, which is of the same interval.
bool ordered_in_warp(uint32_t who, const Access & a) {
    return same_warp(who, a) && syncs_of(who) < (a.warp_syncs & Shadow::kSyncs);
}

}  // namespace

const char * Shadow::after_writer(const Access & a) const {
    if (wrote_at < a.launch_start) return nullptr;
    if (wrote_at < a.block_start) return "another block has written it, and nothing orders blocks";
    if (writer & kInFlight) return "cp.async is still copying to it";
    if (wrote_at != a.interval || (writer & kThread) == a.thread || ordered_in_warp(writer, a)) return nullptr;
    return "another thread has written it since the last barrier";
}

const char * Shadow::after_readers(const Access & a) const {
    if (read_at < a.launch_start) return nullptr;
    if (read_at < a.block_start || reader & kOtherBlocks) return "another block has read it, and nothing orders blocks";
    if (read_at != a.interval) return nullptr;
    if (reader & kManyWarps) return "other threads have read it since the last barrier";
    if (ordered_in_warp(reader, a)) return nullptr;
    const bool own = (reader & kThread) == a.thread && !(reader & kManyLanes);
    return own ? nullptr : "another thread has read it since the last barrier";
}

const char * Shadow::read(const Access & a, bool in_shared) {
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

const char * Shadow::write(const Access & a) {
    if (const char * trouble = after_writer(a)) return trouble;
    if (const char * trouble = after_readers(a)) return trouble;
    wrote_at = a.interval, writer = stamp(a);
    return nullptr;
}

void Shadow::end_copy(const Access & a) {
    wrote_at = a.interval, writer = stamp(a);
}

}  // namespace ql::cuda::emu
