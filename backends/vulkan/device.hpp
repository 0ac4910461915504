// A Vulkan device: one queue, on which kernels and copies run in the order in which they were started; lists of steps that
// are recorded once and submitted again; and the rows of the kernel table.
#pragma once
#include <mutex>

#include "backends/vulkan/instance.hpp"
#include "backends/vulkan/transfers.hpp"
#include "ggml/backend/backend.hpp"

namespace ql::vulkan {

class Recording;

class VulkanDevice : public DeviceImpl {
  public:
    /// bf16   results that kernels take in bf16 are held in it; arithmetic stays f32
    static Status open(size_t number, bool bf16, std::unique_ptr<DeviceImpl> & device);
    ~VulkanDevice() override;

    Caps caps() const override;
    Result<void *> allocate(MemoryKind memory, size_t bytes) override;
    void release(MemoryKind memory, void * data, size_t bytes) override;
    Result<std::unique_ptr<Executable>> compile(std::span<Step> steps) override;
    Status run(Executable & executable, bool profile) override;
    Status copy(Queue queue, const Copy & copy) override;
    Event now(Queue queue) override;
    Status hold(Queue queue, const Event & event) override;
    Status finish(const Event & event) override;

    Recorder & recorder() const { return *recorder_; }
    /// Whether shaders may use subgroupAdd.
    bool adds_in_subgroups() const { return examined_.subgroups_add && !settings_.no_subgroups; }
    /// Of a group.
    uint32_t shared_bytes() const {
        const uint32_t has = examined_.properties.limits.maxComputeSharedMemorySize;
        return settings_.shared > 0 ? std::min(has, settings_.shared) : has;
    }
    /// Whether a launch would succeed: its shaders compile.
    Status rehearse(Status (*launch)(const Launch &), const Node & node) const;
    /// On the device, f32: the 16 values of nf4, of iq4_nl and of fp4, the 256 of the signed dynamic map and of the unsigned
    /// one; then bytes: the codes of the points to which numbers are rounded (dynamic_map.hpp), of each map.
    const void * tables() const { return tables_; }

  private:
    VulkanDevice(Settings settings, Instance & instance, const Examined & examined)
        : settings_(std::move(settings)), instance_(instance), examined_(examined) {}
    Status make();
    Status create();
    Status fill_tables();
    Status start(Recording & recording, bool profile);
    Status read_times(Recording & recording) const;
    void write_counts() const;

    Settings settings_;
    Instance & instance_;
    const Examined examined_;
    size_t budget_ = 0;  // bytes; 0: no limit
    bool bf16_ = false;
    VkDevice device_ = VK_NULL_HANDLE;
    std::unique_ptr<Timeline> timeline_;
    std::unique_ptr<Memory> memory_;
    std::unique_ptr<Pipelines> pipelines_;
    std::unique_ptr<Recorder> recorder_;
    std::unique_ptr<Transfers> transfers_;
    void * tables_ = nullptr;
    Status failed_;  // reported by the next finish
    mutable std::recursive_mutex mutex_;
};

inline VulkanDevice & device_of(const Launch & l) {
    return static_cast<VulkanDevice &>(l.device);
}
inline const VulkanDevice & vulkan_of(const DeviceImpl & device) {
    return static_cast<const VulkanDevice &>(device);
}

// The rows of the table, one definition each in backends/vulkan/ops.
namespace kernel {
#define QL_OP(name) extern const Kernel name;
#include "ggml/ops/ops.def"
}  // namespace kernel

}  // namespace ql::vulkan
