#include "backends/vulkan/recorder.hpp"

#include <cassert>

namespace ql::vulkan {

Status Recorder::begin(VkCommandBuffer commands) {
    const VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    QL_TRY(check(vkBeginCommandBuffer(commands, &info), "vkBeginCommandBuffer"));
    commands_ = commands;
    failed_ = Status();
    return {};
}

/// What was written is shown to the host, which reads it when the work is done.
Status Recorder::end() {
    const VkMemoryBarrier all = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                 .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
                                 .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
    vkCmdPipelineBarrier(commands_, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &all, 0,
                         nullptr, 0, nullptr);
    const Status ended = check(vkEndCommandBuffer(commands_), "vkEndCommandBuffer");
    commands_ = VK_NULL_HANDLE;
    return failed_.ok() ? ended : std::exchange(failed_, Status());
}

void Recorder::barrier() const {
    constexpr VkPipelineStageFlags kStages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkMemoryBarrier all = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                 .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
                                 .dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT};
    vkCmdPipelineBarrier(commands_, kStages, kStages, 0, 1, &all, 0, nullptr, 0, nullptr);
}

Status Recorder::dispatch(const Shader & shader, std::span<const uint32_t> constants, const void * push, size_t bytes,
                          Groups groups) {
    assert(bytes <= kMostPushed);
    QL_ASSIGN(VkPipeline pipeline, pipelines_.get(shader, constants));
    if (!commands_) return {};
    barrier();
    vkCmdBindPipeline(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    vkCmdPushConstants(commands_, pipelines_.layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0, static_cast<uint32_t>(bytes),
                       push);
    vkCmdDispatch(commands_, groups.x, groups.y, 1);
    ++dispatches_[operator_];
    return {};
}

void Recorder::copy(const Place & to, const Place & from, size_t bytes) const {
    barrier();
    const VkBufferCopy region = {from.offset, to.offset, bytes};
    vkCmdCopyBuffer(commands_, from.buffer, to.buffer, 1, &region);
}

void Recorder::fill(const Place & to, size_t bytes) const {
    barrier();
    vkCmdFillBuffer(commands_, to.buffer, to.offset, (bytes + 3) / 4 * 4, 0);
}

VkDeviceAddress Recorder::address(const void * name) {
    if (!name || !commands_) return 0;
    const auto place = memory_.find(name, 0);
    if (place.ok()) return place->address;
    if (failed_.ok()) failed_ = place.status();
    return 0;
}

}  // namespace ql::vulkan
