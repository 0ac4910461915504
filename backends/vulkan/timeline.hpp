// A queue of the device, and the moments in it: the timeline semaphore's value says how many pieces of work are done.
#pragma once
#include "backends/vulkan/limits.hpp"
#include "backends/vulkan/settings.hpp"

namespace ql::vulkan {

class Timeline {
  public:
    Timeline(VkDevice device, Settings & settings) : device_(device), settings_(settings) {}
    ~Timeline();
    Timeline(const Timeline &) = delete;
    Timeline & operator=(const Timeline &) = delete;

    Status make(uint32_t family);

    /// Starts recorded commands, after all that was submitted before.
    Status submit(VkCommandBuffer commands);
    /// The number of the piece of work that was submitted last.
    uint64_t submitted() const { return submitted_; }
    /// Returns when a piece of work is done.
    Status wait(uint64_t number) const;

    /// A command buffer that can be recorded anew; free() when its work is done.
    Result<VkCommandBuffer> make_commands() const;
    void free(VkCommandBuffer commands) const;

  private:
    const VkDevice device_;
    Settings & settings_;
    VkQueue queue_ = VK_NULL_HANDLE;
    VkCommandPool pool_ = VK_NULL_HANDLE;
    VkSemaphore semaphore_ = VK_NULL_HANDLE;
    uint64_t submitted_ = 0;
    bool lost_ = false;  // by a fault that was asked for
};

}  // namespace ql::vulkan
