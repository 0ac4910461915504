// The process's one instance of Vulkan, and the devices that it knows, the fastest kind first.
#pragma once
#include <mutex>
#include <string>
#include <vector>

#include "backends/vulkan/api.hpp"
#include "backends/vulkan/settings.hpp"

namespace ql::vulkan {

class Instance {
  public:
    /// Made at the first call, with the settings of that call, and kept: a loader does not like to be closed.
    /// errors   QL_NOT_FOUND: there is no loader, or no driver; QL_UNSUPPORTED: it is for a Vulkan before 1.2
    static Result<Instance *> get(const Settings & settings);

    /// Cards before processors' graphics, before software.
    const std::vector<VkPhysicalDevice> & devices() const { return devices_; }

    /// What the validation layers have said since the last call, or "".
    std::string take_complaint();

  private:
    static VkBool32 VKAPI_CALL complain(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
                                        const VkDebugUtilsMessengerCallbackDataEXT * data, void * instance);
    Status make(const Settings & settings);
    Status create(bool validate);
    Status listen();
    Status find_devices();

    VkInstance instance_ = VK_NULL_HANDLE;
    VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
    std::vector<VkPhysicalDevice> devices_;
    std::mutex mutex_;
    std::string complaint_;
};

}  // namespace ql::vulkan
