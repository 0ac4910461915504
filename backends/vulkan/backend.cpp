// The backend's entry: which devices there are, opening one, and the table of kernels.
#include "backends/vulkan/device.hpp"

#include <string_view>

namespace ql::vulkan {
namespace {

const Kernel * const kTable[] = {
#define QL_OP(name) &kernel::name,
#include "ggml/ops/ops.def"
};

Status enumerate(std::vector<FoundDevice> & devices) {
    QL_ASSIGN(const Settings settings, Settings::from_environment());
    QL_ASSIGN(Instance * instance, Instance::get(settings));
    if (settings.no_devices || instance->devices().empty())
        return error(QL_NOT_FOUND, "vulkan: no driver has a device");
    for (const VkPhysicalDevice device : instance->devices()) {
        const Examined examined = Examined::make(device);
        devices.push_back({examined.describe(), examined.own_memory()});
    }
    return {};
}

/// errors   QL_UNSUPPORTED also for a device that is to be chosen: it is for those who name it
Status open(const ql_device_options & options, size_t number, std::unique_ptr<DeviceImpl> & device) {
    if (options.name && std::string_view(options.name) == "auto")
        return error(QL_UNSUPPORTED, "vulkan: it is used where it is named: --device vulkan");
    if (options.compute == QL_COMPUTE_INT8 || options.compute == QL_COMPUTE_INT16)
        return error(QL_UNSUPPORTED, "compute: vulkan has no integers; use auto, f32 or bf16, or the cpu");
    return VulkanDevice::open(number, options.compute == QL_COMPUTE_BF16, device);
}

}  // namespace
}  // namespace ql::vulkan

/// The parts of the engine that are linked into this object ask for these; nobody opens a device through them.
std::span<const ql::Backend * const> ql::builtin_backends() {
    return {};
}

extern "C" __attribute__((visibility("default"))) const ql::Backend * ql_backend_entry() {
    using namespace ql::vulkan;
    static const ql::Backend backend = {"vulkan", ql::kBackendVersion, enumerate, open, kTable};
    return &backend;
}
