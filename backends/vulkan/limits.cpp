#include "backends/vulkan/limits.hpp"

#include <vector>

namespace ql::vulkan {
namespace {

/// A tile of a product is 2 x 32 x 65 numbers; attention's gradient keeps 16 rows of a head of up to 256.
constexpr uint32_t kSharedBytes = 20 << 10, kThreads = 256, kPushBytes = 128;

void chain(Features & f) {
    f.v12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
    f.v11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
    f.all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    f.v11.pNext = &f.v12;
    f.all.pNext = &f.v11;
}

std::string missing_feature(VkPhysicalDevice device) {
    Features has;
    has.all.features = {};
    vkGetPhysicalDeviceFeatures2(device, &has.all);
    if (!has.v12.bufferDeviceAddress) return "bufferDeviceAddress";
    if (!has.v12.timelineSemaphore) return "timelineSemaphore";
    if (!has.v12.scalarBlockLayout) return "scalarBlockLayout";
    if (!has.v12.storageBuffer8BitAccess || !has.v12.shaderInt8) return "storageBuffer8BitAccess and shaderInt8";
    if (!has.v11.storageBuffer16BitAccess || !has.all.features.shaderInt16)
        return "storageBuffer16BitAccess and shaderInt16";
    return "";
}

std::string missing_limit(const VkPhysicalDeviceLimits & l) {
    const auto below = [](const char * name, uint32_t has, uint32_t needs) {
        return std::string(name) + " of " + std::to_string(needs) + " (it is " + std::to_string(has) + ")";
    };
    if (l.maxComputeSharedMemorySize < kSharedBytes)
        return below("maxComputeSharedMemorySize", l.maxComputeSharedMemorySize, kSharedBytes);
    if (l.maxComputeWorkGroupInvocations < kThreads || l.maxComputeWorkGroupSize[0] < kThreads)
        return below("maxComputeWorkGroupInvocations", l.maxComputeWorkGroupInvocations, kThreads);
    if (l.maxPushConstantsSize < kPushBytes) return below("maxPushConstantsSize", l.maxPushConstantsSize, kPushBytes);
    return "";
}

/// A family that only computes runs beside graphics.
void find_queue_family(Examined & e) {
    uint32_t n = 0;
    vkGetPhysicalDeviceQueueFamilyProperties(e.device, &n, nullptr);
    std::vector<VkQueueFamilyProperties> families(n);
    vkGetPhysicalDeviceQueueFamilyProperties(e.device, &n, families.data());
    bool graphics = true;
    for (uint32_t i = 0; i < n; ++i) {
        const VkQueueFlags flags = families[i].queueFlags;
        if (!(flags & VK_QUEUE_COMPUTE_BIT) || (e.queue_family >= 0 && !graphics)) continue;
        if (e.queue_family >= 0 && (flags & VK_QUEUE_GRAPHICS_BIT)) continue;
        e.queue_family = static_cast<int>(i);
        graphics = flags & VK_QUEUE_GRAPHICS_BIT;
        e.timestamps = families[i].timestampValidBits >= 36;  // a minute of nanoseconds
    }
}

const char * kind_of(VkPhysicalDeviceType type) {
    switch (type) {
        case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
            return "a card";
        case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
            return "a processor's graphics";
        case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
            return "a virtual card";
        case VK_PHYSICAL_DEVICE_TYPE_CPU:
            return "software";
        default:
            return "of another kind";
    }
}

}  // namespace

Features::Features() {
    chain(*this);
    v12.bufferDeviceAddress = v12.timelineSemaphore = v12.scalarBlockLayout = VK_TRUE;
    v12.storageBuffer8BitAccess = v12.shaderInt8 = VK_TRUE;
    v11.storageBuffer16BitAccess = VK_TRUE;
    all.features.shaderInt16 = VK_TRUE;
}

Examined Examined::make(VkPhysicalDevice device) {
    Examined e;
    e.device = device;
    VkPhysicalDeviceSubgroupProperties subgroup = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceMaintenance3Properties sizes = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES,
                                                    .pNext = &subgroup};
    VkPhysicalDeviceProperties2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &sizes};
    vkGetPhysicalDeviceProperties(device, &e.properties);
    vkGetPhysicalDeviceMemoryProperties(device, &e.memory);
    if (e.properties.apiVersion < VK_API_VERSION_1_2) {
        e.lacks = "Vulkan 1.2";
        return e;
    }
    vkGetPhysicalDeviceProperties2(device, &all);
    e.largest_allocation = sizes.maxMemoryAllocationSize;
    e.subgroup = subgroup.subgroupSize;
    e.subgroups_add = (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
                      (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT);
    find_queue_family(e);
    e.lacks = e.queue_family < 0 ? "a queue that computes" : missing_feature(device);
    if (e.lacks.empty()) e.lacks = missing_limit(e.properties.limits);
    return e;
}

uint64_t Examined::own_memory() const {
    uint64_t most = 0;
    for (uint32_t i = 0; i < memory.memoryHeapCount; ++i)
        if (memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
            most = std::max<uint64_t>(most, memory.memoryHeaps[i].size);
    return most;
}

std::string Examined::describe() const {
    const uint32_t v = properties.apiVersion;
    std::string text = format("%s, %s, Vulkan %u.%u", properties.deviceName, kind_of(properties.deviceType),
                              VK_API_VERSION_MAJOR(v), VK_API_VERSION_MINOR(v));
    if (!lacks.empty()) return text + ", not usable: it lacks " + lacks;
    return text + format(", %u KiB shared, subgroups of %u, up to %.1f GiB in a piece",
                         properties.limits.maxComputeSharedMemorySize >> 10, subgroup,
                         static_cast<double>(largest_allocation) / (1 << 30));
}

}  // namespace ql::vulkan
