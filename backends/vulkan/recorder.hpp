// Records kernels and copies into a command buffer. Between any two of them stands a barrier: what one has written, the
// next may read.
//
// Where no command buffer is open it rehearses: it compiles the shaders that a kernel would run, and records nothing. So a
// kernel's row is accepted exactly if its launch will succeed.
#pragma once
#include <map>
#include <span>
#include <string_view>

#include "backends/vulkan/memory.hpp"
#include "backends/vulkan/pipelines.hpp"

namespace ql::vulkan {

/// Numbers of groups of invocations.
struct Groups {
    uint32_t x = 1, y = 1;
};

class Recorder {
  public:
    Recorder(const Memory & memory, Pipelines & pipelines) : memory_(memory), pipelines_(pipelines) {}

    Status begin(VkCommandBuffer commands);
    Status end();
    VkCommandBuffer commands() const { return commands_; }

    /// Whose dispatches those are that follow.
    void begin_operator(std::string_view name) { operator_ = name; }
    /// What was recorded so far, by operator.
    const std::map<std::string_view, int64_t> & dispatches() const { return dispatches_; }

    Status dispatch(const Shader & shader, std::span<const uint32_t> constants, const void * push, size_t bytes,
                    Groups groups);
    void copy(const Place & to, const Place & from, size_t bytes) const;
    /// Zeros, to whole words.
    void fill(const Place & to, size_t bytes) const;

    /// The device's address of a tensor; 0 for null, and when it rehearses. end() reports one that is not the device's.
    VkDeviceAddress address(const void * name);

  private:
    void barrier() const;

    const Memory & memory_;
    Pipelines & pipelines_;
    VkCommandBuffer commands_ = VK_NULL_HANDLE;
    std::string_view operator_;
    std::map<std::string_view, int64_t> dispatches_;
    Status failed_;
};

}  // namespace ql::vulkan
