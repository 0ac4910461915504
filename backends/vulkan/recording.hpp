// A list of steps in command buffers that are submitted as often as the list runs.
//
// A driver takes work that lasts for seconds for one that hangs, and gives the device up (Windows after two). So a list is
// several command buffers, each of some tenths of a second on slow graphics.
//
// What the list reads from memory of the host that is not pinned is put into pinned memory before it is submitted; what it
// writes there lands in pinned memory first.
#pragma once
#include "backends/vulkan/transfers.hpp"
#include "ggml/backend/backend.hpp"

namespace ql::vulkan {

class Recording : public Executable {
  public:
    /// piece    floating-point operations of a command buffer, at most, if they are of several steps
    Recording(VkDevice device, Memory & memory, Timeline & timeline, double piece, std::span<Step> steps)
        : steps(steps), device_(device), memory_(memory), timeline_(timeline), piece_(piece) {}
    ~Recording() override;

    /// Records the steps. `owner` runs them.
    Status record(Recorder & recorder, DeviceImpl & owner);
    /// Records them once more, with the time written after each, for runs that are profiled.
    Status record_timed(Recorder & recorder, DeviceImpl & owner);

    /// Bytes of the host that go over with each run, in pinned memory or out of it.
    struct HostCopy {
        const void * from;
        void * to;
        size_t bytes;
    };
    const std::span<Step> steps;
    std::vector<HostCopy> before, after;
    std::vector<VkCommandBuffer> commands, timed;
    VkQueryPool times = VK_NULL_HANDLE;  // one for the beginning, one after each step
    uint64_t last = 0;                   // the last piece of work of its last run

  private:
    Status stage();
    Status stage_step(const Step & step, size_t & offset);
    Status begin_piece(std::vector<VkCommandBuffer> & pieces, Recorder & recorder) const;
    Status record_into(std::vector<VkCommandBuffer> & pieces, Recorder & recorder, DeviceImpl & owner);
    Status record_step(const Step & step, Recorder & recorder, DeviceImpl & owner, size_t & offset) const;

    const VkDevice device_;
    Memory & memory_;
    Timeline & timeline_;
    const double piece_;
    std::byte * pinned_ = nullptr;
};

}  // namespace ql::vulkan
