#include "backends/vulkan/instance.hpp"

#include <algorithm>

namespace ql::vulkan {
namespace {

constexpr const char * kLayer = "VK_LAYER_KHRONOS_validation";

/// Smaller is better.
int rank_of(VkPhysicalDevice device) {
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(device, &properties);
    switch (properties.deviceType) {
        case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
            return 0;
        case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
            return 1;
        case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
            return 2;
        case VK_PHYSICAL_DEVICE_TYPE_CPU:
            return 4;
        default:
            return 3;
    }
}

VkDebugUtilsMessengerCreateInfoEXT messenger_info(PFN_vkDebugUtilsMessengerCallbackEXT call, void * data) {
    return {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity =
            VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
        .pfnUserCallback = call,
        .pUserData = data};
}

}  // namespace

VkBool32 VKAPI_CALL Instance::complain(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
                                       const VkDebugUtilsMessengerCallbackDataEXT * data, void * instance) {
    auto & self = *static_cast<Instance *>(instance);
    const std::lock_guard lock(self.mutex_);
    if (self.complaint_.empty()) self.complaint_ = data->pMessage;
    return VK_FALSE;
}

std::string Instance::take_complaint() {
    const std::lock_guard lock(mutex_);
    return std::exchange(complaint_, "");
}

Result<Instance *> Instance::get(const Settings & settings) {
    if (settings.no_loader) return error(QL_NOT_FOUND, "vulkan: there is no Vulkan loader (libvulkan.so.1)");
    static std::mutex mutex;
    static Instance * made = nullptr;  // to the end of the process
    const std::lock_guard lock(mutex);
    if (made) return made;
    auto instance = std::make_unique<Instance>();
    QL_TRY(instance->make(settings));
    return made = instance.release();
}

Status Instance::make(const Settings & settings) {
    if (volkInitialize() != VK_SUCCESS)
        return error(QL_NOT_FOUND, "vulkan: there is no Vulkan loader (libvulkan.so.1)");
    const uint32_t version = volkGetInstanceVersion();
    if (version < VK_API_VERSION_1_2)
        return error(QL_UNSUPPORTED, "vulkan: the loader is for Vulkan %u.%u; 1.2 or more is needed",
                     VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version));
    QL_TRY(create(settings.validate));
    volkLoadInstance(instance_);
    if (settings.validate) QL_TRY(listen());
    return find_devices();
}

Status Instance::create(bool validate) {
    const VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                           .pApplicationName = "qlora.cpp",
                                           .pEngineName = "qlora.cpp",
                                           .apiVersion = VK_API_VERSION_1_2};
    const char * const extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    const VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                       .pApplicationInfo = &application,
                                       .enabledLayerCount = validate,
                                       .ppEnabledLayerNames = &kLayer,
                                       .enabledExtensionCount = validate,
                                       .ppEnabledExtensionNames = &extension};
    const VkResult made = vkCreateInstance(&info, nullptr, &instance_);
    if (made == VK_ERROR_INCOMPATIBLE_DRIVER) return error(QL_NOT_FOUND, "vulkan: there is no Vulkan driver");
    return check(made, "vkCreateInstance");
}

Status Instance::listen() {
    const auto info = messenger_info(complain, this);
    return check(vkCreateDebugUtilsMessengerEXT(instance_, &info, nullptr, &messenger_),
                 "vkCreateDebugUtilsMessengerEXT");
}

Status Instance::find_devices() {
    uint32_t n = 0;
    QL_TRY(check(vkEnumeratePhysicalDevices(instance_, &n, nullptr), "vkEnumeratePhysicalDevices"));
    devices_.resize(n);
    QL_TRY(check(vkEnumeratePhysicalDevices(instance_, &n, devices_.data()), "vkEnumeratePhysicalDevices"));
    devices_.resize(n);
    std::stable_sort(devices_.begin(), devices_.end(),
                     [](VkPhysicalDevice a, VkPhysicalDevice b) { return rank_of(a) < rank_of(b); });
    return {};
}

}  // namespace ql::vulkan
