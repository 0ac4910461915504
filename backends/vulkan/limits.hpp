// What a device must have for the shaders, and what it says of itself.
#pragma once
#include <string>

#include "backends/vulkan/api.hpp"

namespace ql::vulkan {

/// A physical device, examined.
struct Examined {
    static Examined make(VkPhysicalDevice device);

    VkPhysicalDevice device = VK_NULL_HANDLE;
    VkPhysicalDeviceProperties properties{};
    VkPhysicalDeviceMemoryProperties memory{};
    uint64_t largest_allocation = 0;  // bytes of one piece of memory
    uint32_t subgroup = 0;            // invocations
    bool subgroups_add = false;       // in shaders that compute
    int queue_family = -1;            // with compute; one without graphics where there is one
    bool timestamps = false;          // of that family
    std::string lacks;                // what is needed and is not there; "": nothing

    std::string name() const { return properties.deviceName; }
    /// Bytes of the largest heap of the device's own.
    uint64_t own_memory() const;
    /// Name, version, kind and limits, for ql-doctor.
    std::string describe() const;
};

/// The features that a device is opened with: those that the shaders need.
struct Features {
    Features();
    Features(const Features &) = delete;  // its parts point at each other
    Features & operator=(const Features &) = delete;

    VkPhysicalDeviceVulkan12Features v12{};
    VkPhysicalDeviceVulkan11Features v11{};
    VkPhysicalDeviceFeatures2 all{};
};

}  // namespace ql::vulkan
