#include "backends/vulkan/recording.hpp"

namespace ql::vulkan {
namespace {

constexpr size_t kPinnedAlignment = 64;

bool has_host_end(const Step & step) {
    return !step.kernel && step.copy.bytes > 0 &&
           (step.copy.from_memory == MemoryKind::host || step.copy.to_memory == MemoryKind::host);
}

size_t pinned_bytes(const Step & step) {
    return has_host_end(step) ? (step.copy.bytes + kPinnedAlignment - 1) / kPinnedAlignment * kPinnedAlignment : 0;
}

}  // namespace

Recording::~Recording() {
    for (const auto & pieces : {commands, timed})
        for (VkCommandBuffer piece : pieces) timeline_.free(piece);
    vkDestroyQueryPool(device_, times, nullptr);
    if (pinned_) memory_.release(pinned_);
}

Status Recording::stage() {
    size_t bytes = 0;
    for (const Step & step : steps) bytes += pinned_bytes(step);
    if (bytes == 0) return {};
    QL_ASSIGN(void * memory, memory_.allocate(MemoryKind::pinned, bytes));
    pinned_ = static_cast<std::byte *>(memory);
    size_t offset = 0;
    for (const Step & step : steps) QL_TRY(stage_step(step, offset));
    return {};
}

Status Recording::stage_step(const Step & step, size_t & offset) {
    if (!has_host_end(step)) return {};
    const Copy & copy = step.copy;
    std::byte * pinned = pinned_ + offset;
    offset += pinned_bytes(step);
    if (copy.to_memory == MemoryKind::host) {
        after.push_back({pinned, copy.to, copy.bytes});
        return {};
    }
    const auto * from = static_cast<const std::byte *>(copy.from);
    for (const HostCopy & landed : after) {
        const auto * to = static_cast<const std::byte *>(landed.to);
        if (to < from + copy.bytes && from < to + landed.bytes)
            return error(QL_UNSUPPORTED, "vulkan: a list reads from the host's memory what it has written there");
    }
    before.push_back({copy.from, pinned, copy.bytes});
    return {};
}

Status Recording::record_step(const Step & step, Recorder & recorder, DeviceImpl & owner, size_t & offset) const {
    if (step.kernel) {
        recorder.begin_operator(step.node->def->name);
        return step.kernel->launch({*step.node, step.src.data(), step.out.data(), step.scratch, owner});
    }
    if (step.copy.bytes == 0) return {};
    const std::byte * pinned = pinned_ + offset;
    offset += pinned_bytes(step);
    const bool from_host = step.copy.from_memory == MemoryKind::host, to_host = step.copy.to_memory == MemoryKind::host;
    QL_ASSIGN(const Place from, memory_.find(from_host ? pinned : step.copy.from, step.copy.bytes));
    QL_ASSIGN(const Place to, memory_.find(to_host ? pinned : step.copy.to, step.copy.bytes));
    recorder.copy(to, from, step.copy.bytes);
    return {};
}

/// Ends the last piece, if there is one.
Status Recording::begin_piece(std::vector<VkCommandBuffer> & pieces, Recorder & recorder) const {
    if (recorder.commands()) QL_TRY(recorder.end());
    QL_ASSIGN(VkCommandBuffer piece, timeline_.make_commands());
    pieces.push_back(piece);
    return recorder.begin(piece);
}

Status Recording::record_into(std::vector<VkCommandBuffer> & pieces, Recorder & recorder, DeviceImpl & owner) {
    QL_TRY(begin_piece(pieces, recorder));
    const auto write_time = [&](size_t i) {
        if (&pieces == &timed)
            vkCmdWriteTimestamp(pieces.back(), VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, times, static_cast<uint32_t>(i));
    };
    if (&pieces == &timed) vkCmdResetQueryPool(pieces.back(), times, 0, static_cast<uint32_t>(steps.size() + 1));
    write_time(0);
    Status recorded;
    double work = 0;
    for (size_t i = 0, offset = 0; i < steps.size() && recorded.ok(); ++i) {
        const double more = steps[i].kernel ? flops_of(*steps[i].node) : 0;
        if (work > 0 && work + more > piece_) {
            QL_TRY(begin_piece(pieces, recorder));
            work = 0;
        }
        work += more;
        recorded = record_step(steps[i], recorder, owner, offset);
        write_time(i + 1);
    }
    const Status ended = recorder.end();
    return recorded.ok() ? ended : recorded;
}

Status Recording::record(Recorder & recorder, DeviceImpl & owner) {
    QL_TRY(stage());
    return record_into(commands, recorder, owner);
}

Status Recording::record_timed(Recorder & recorder, DeviceImpl & owner) {
    const VkQueryPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                        .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                        .queryCount = static_cast<uint32_t>(steps.size() + 1)};
    QL_TRY(check(vkCreateQueryPool(device_, &info, nullptr, &times), "vkCreateQueryPool"));
    return record_into(timed, recorder, owner);
}

}  // namespace ql::vulkan
