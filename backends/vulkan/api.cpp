// volk's own code, and the names of Vulkan's errors.
#define VOLK_IMPLEMENTATION
#include "backends/vulkan/api.hpp"

namespace ql::vulkan {
namespace {

const char * name_of(VkResult result) {
    switch (result) {
        case VK_ERROR_OUT_OF_HOST_MEMORY:
            return "out of host memory";
        case VK_ERROR_OUT_OF_DEVICE_MEMORY:
            return "out of device memory";
        case VK_ERROR_DEVICE_LOST:
            return "the device was lost";
        case VK_ERROR_INITIALIZATION_FAILED:
            return "initialisation failed";
        case VK_ERROR_LAYER_NOT_PRESENT:
            return "a layer is not present";
        case VK_ERROR_EXTENSION_NOT_PRESENT:
            return "an extension is not present";
        case VK_ERROR_FEATURE_NOT_PRESENT:
            return "a feature is not present";
        case VK_ERROR_INCOMPATIBLE_DRIVER:
            return "the driver is incompatible";
        case VK_ERROR_TOO_MANY_OBJECTS:
            return "too many objects";
        case VK_ERROR_INVALID_SHADER_NV:
            return "the shader does not compile";
        default:
            return nullptr;
    }
}

bool is_memory(VkResult result) {
    return result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY;
}

}  // namespace

Status check(VkResult result, const char * call) {
    if (result >= 0) return {};
    const char * name = name_of(result);
    return error(is_memory(result) ? QL_NO_MEMORY : QL_IO, "vulkan: %s: %s", call,
                 name ? name : ("error " + std::to_string(static_cast<int>(result))).c_str());
}

}  // namespace ql::vulkan
