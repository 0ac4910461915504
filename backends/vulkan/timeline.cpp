#include "backends/vulkan/timeline.hpp"

namespace ql::vulkan {

Timeline::~Timeline() {
    vkDestroySemaphore(device_, semaphore_, nullptr);
    vkDestroyCommandPool(device_, pool_, nullptr);  // with its command buffers
}

Status Timeline::make(uint32_t family) {
    vkGetDeviceQueue(device_, family, 0, &queue_);
    const VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                          .queueFamilyIndex = family};
    QL_TRY(check(vkCreateCommandPool(device_, &pool, nullptr, &pool_), "vkCreateCommandPool"));
    const VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                            .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
    const VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
    return check(vkCreateSemaphore(device_, &info, nullptr, &semaphore_), "vkCreateSemaphore");
}

Status Timeline::submit(VkCommandBuffer commands) {
    if (settings_.lost.now()) lost_ = true;
    if (lost_) return check(VK_ERROR_DEVICE_LOST, "vkQueueSubmit");
    if (settings_.submit.now()) return check(VK_ERROR_OUT_OF_HOST_MEMORY, "vkQueueSubmit");
    const uint64_t next = submitted_ + 1;
    const VkTimelineSemaphoreSubmitInfo values = {.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                                  .signalSemaphoreValueCount = 1,
                                                  .pSignalSemaphoreValues = &next};
    const VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                               .pNext = &values,
                               .commandBufferCount = 1,
                               .pCommandBuffers = &commands,
                               .signalSemaphoreCount = 1,
                               .pSignalSemaphores = &semaphore_};
    QL_TRY(check(vkQueueSubmit(queue_, 1, &info, VK_NULL_HANDLE), "vkQueueSubmit"));
    submitted_ = next;
    return {};
}

Status Timeline::wait(uint64_t number) const {
    if (lost_) return check(VK_ERROR_DEVICE_LOST, "vkWaitSemaphores");
    const VkSemaphoreWaitInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                      .semaphoreCount = 1,
                                      .pSemaphores = &semaphore_,
                                      .pValues = &number};
    return check(vkWaitSemaphores(device_, &info, UINT64_MAX), "vkWaitSemaphores");
}

Result<VkCommandBuffer> Timeline::make_commands() const {
    const VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                              .commandPool = pool_,
                                              .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                              .commandBufferCount = 1};
    VkCommandBuffer commands = VK_NULL_HANDLE;
    QL_TRY(check(vkAllocateCommandBuffers(device_, &info, &commands), "vkAllocateCommandBuffers"));
    return commands;
}

void Timeline::free(VkCommandBuffer commands) const {
    if (commands) vkFreeCommandBuffers(device_, pool_, 1, &commands);
}

}  // namespace ql::vulkan
