#include "backends/vulkan/device.hpp"

#include <cstring>
#include <fstream>

#include "backends/vulkan/recording.hpp"
#include "ggml/dtypes/codebook.hpp"
#include "ggml/dtypes/dynamic_map.hpp"
#include "ggml/dtypes/iq4_nl.hpp"
#include "ggml/dtypes/mxfp4.hpp"

namespace ql::vulkan {
namespace {

constexpr int kDynamicPoints = 65536;  // of the grid of dynamic_map.hpp

}  // namespace

Status VulkanDevice::open(size_t number, bool bf16, std::unique_ptr<DeviceImpl> & device) {
    QL_ASSIGN(Settings settings, Settings::from_environment());
    QL_ASSIGN(Instance * instance, Instance::get(settings));
    Examined examined = Examined::make(instance->devices().at(number));
    if (settings.below) examined.lacks = "what the test says";
    if (!examined.lacks.empty())
        return error(QL_UNSUPPORTED, "vulkan: %s lacks %s, which is needed", examined.name().c_str(),
                     examined.lacks.c_str());
    std::unique_ptr<VulkanDevice> opened(new VulkanDevice(std::move(settings), *instance, examined));
    if (const auto budget = opened->settings_.memory.find(number); budget != opened->settings_.memory.end())
        opened->budget_ = budget->second;
    opened->bf16_ = bf16;
    QL_TRY(opened->make());
    device = std::move(opened);
    return {};
}

Status VulkanDevice::make() {
    QL_TRY(create());
    timeline_ = std::make_unique<Timeline>(device_, settings_);
    QL_TRY(timeline_->make(static_cast<uint32_t>(examined_.queue_family)));
    memory_ = std::make_unique<Memory>(device_, examined_, settings_, budget_);
    QL_ASSIGN(pipelines_, Pipelines::make(device_, examined_, settings_));
    recorder_ = std::make_unique<Recorder>(*memory_, *pipelines_);
    transfers_ = std::make_unique<Transfers>(*memory_, *recorder_, *timeline_);
    return fill_tables();
}

Status VulkanDevice::create() {
    const Features features;
    const float priority = 1;
    const VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                           .queueFamilyIndex = static_cast<uint32_t>(examined_.queue_family),
                                           .queueCount = 1,
                                           .pQueuePriorities = &priority};
    const VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                     .pNext = &features.all,
                                     .queueCreateInfoCount = 1,
                                     .pQueueCreateInfos = &queue};
    return check(vkCreateDevice(examined_.device, &info, nullptr, &device_), "vkCreateDevice");
}

Status VulkanDevice::fill_tables() {
    std::vector<float> values(std::begin(kNF4Codebook), std::end(kNF4Codebook));
    for (const auto value : kIQ4Values) values.push_back(static_cast<float>(value));
    for (const auto value : kFloat4Units) values.push_back(static_cast<float>(value));
    std::vector<uint8_t> codes;
    for (const DynamicMap * map : {&kDynamicMapSigned, &kDynamicMapUnsigned}) {
        values.insert(values.end(), map->begin(), map->end());
        for (int i = 0; i < kDynamicPoints; ++i)  // from the middle of what is rounded to the point
            codes.push_back(dynamic_code(*map, static_cast<float>(2.0 * i / (kDynamicPoints - 1) - 1)));
    }
    const size_t bytes = values.size() * sizeof(float);
    codes.insert(codes.begin(), bytes, 0);
    std::memcpy(codes.data(), values.data(), bytes);
    QL_ASSIGN(tables_, memory_->allocate(MemoryKind::device, codes.size()));
    QL_TRY(transfers_->start({tables_, codes.data(), codes.size(), MemoryKind::device, MemoryKind::host}));
    return transfers_->finish(timeline_->submitted());
}

/// A file that cannot be written is missed by whoever asked for it.
void VulkanDevice::write_counts() const {
    std::ofstream file(settings_.counts);
    file << "{\"kernels\": [";
    const char * comma = "";
    for (const auto & [name, n] : recorder_->dispatches()) {
        file << comma << "{\"kernel\": \"" << name << "\", \"launches\": " << n << "}";
        comma = ", ";
    }
    file << "]}\n";
}

VulkanDevice::~VulkanDevice() {
    if (!device_) return;
    vkDeviceWaitIdle(device_);
    if (!settings_.counts.empty() && recorder_) write_counts();
    transfers_.reset();
    recorder_.reset();
    pipelines_.reset();
    memory_.reset();
    timeline_.reset();
    vkDestroyDevice(device_, nullptr);
}

Caps VulkanDevice::caps() const {
    return {.isa = "vulkan",
            .product = bf16_ ? "bf16" : "f32",
            .chip = examined_.properties.deviceName,
            .threads = 1,
            .bf16 = bf16_,
            .host_memory = false,
            .copy_queue = false,
            .alignment = 256};
}

Result<void *> VulkanDevice::allocate(MemoryKind memory, size_t bytes) {
    const std::lock_guard lock(mutex_);
    QL_ASSIGN(void * data, memory_->allocate(memory, bytes));
    Status cleared;
    if (memory == MemoryKind::pinned)
        std::memset(data, 0, bytes);
    else if (bytes > 0)
        cleared = transfers_->clear(data, bytes);
    if (cleared.ok()) return data;
    memory_->release(data);
    return cleared;
}

void VulkanDevice::release(MemoryKind, void * data, size_t) {
    const std::lock_guard lock(mutex_);
    memory_->release(data);
}

Status VulkanDevice::rehearse(Status (*launch)(const Launch &), const Node & node) const {
    const std::lock_guard lock(mutex_);
    const std::vector<const void *> src(node.src.size());
    const std::vector<void *> out(node.out.size());
    // A rehearsal compiles shaders and changes nothing of the device; a launch has no other way to say so.
    return launch({node, src.data(), out.data(), nullptr, const_cast<VulkanDevice &>(*this)});
}

Result<std::unique_ptr<Executable>> VulkanDevice::compile(std::span<Step> steps) {
    const std::lock_guard lock(mutex_);
    auto recording = std::make_unique<Recording>(device_, *memory_, *timeline_, settings_.piece, steps);
    QL_TRY(recording->record(*recorder_, *this));
    return std::unique_ptr<Executable>(std::move(recording));
}

Status VulkanDevice::start(Recording & r, bool profile) {
    QL_TRY(transfers_->finish(r.last));  // a command buffer, and its pinned memory, are in one run at a time
    profile = profile && examined_.timestamps;
    if (profile && r.timed.empty()) QL_TRY(r.record_timed(*recorder_, *this));
    for (const Recording::HostCopy & copy : r.before) {
        QL_TRY(transfers_->settle(copy.from, copy.bytes));
        std::memcpy(copy.to, copy.from, copy.bytes);
    }
    for (VkCommandBuffer piece : profile ? r.timed : r.commands) QL_TRY(timeline_->submit(piece));
    r.last = timeline_->submitted();
    for (const Recording::HostCopy & copy : r.after) transfers_->add({r.last, copy.to, copy.from, copy.bytes});
    return profile ? read_times(r) : Status();
}

Status VulkanDevice::read_times(Recording & r) const {
    std::vector<uint64_t> ticks(r.steps.size() + 1);
    QL_TRY(check(vkGetQueryPoolResults(device_, r.times, 0, static_cast<uint32_t>(ticks.size()), ticks.size() * 8,
                                       ticks.data(), 8, VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT),
                 "vkGetQueryPoolResults"));
    const double second = static_cast<double>(examined_.properties.limits.timestampPeriod) * 1e-9;
    for (size_t i = 0; i < r.steps.size(); ++i) {
        r.steps[i].seconds += static_cast<double>(ticks[i + 1] - ticks[i]) * second;
        ++r.steps[i].runs;
    }
    return {};
}

Status VulkanDevice::run(Executable & executable, bool profile) {
    const std::lock_guard lock(mutex_);
    if (failed_.ok()) failed_ = start(static_cast<Recording &>(executable), profile);  // after an error it is dropped
    return {};
}

Status VulkanDevice::copy(Queue, const Copy & copy) {
    const std::lock_guard lock(mutex_);
    if (failed_.ok()) failed_ = transfers_->start(copy);
    return {};
}

Event VulkanDevice::now(Queue queue) {
    const std::lock_guard lock(mutex_);
    return {this, queue, timeline_->submitted()};
}

/// The device's own work is in one queue; for another device's the host waits.
Status VulkanDevice::hold(Queue, const Event & event) {
    auto & other = static_cast<VulkanDevice &>(*event.device);
    if (&other == this) return {};
    const std::scoped_lock both(mutex_, other.mutex_);
    if (failed_.ok() && other.failed_.ok()) failed_ = other.transfers_->finish(event.number);
    return {};
}

Status VulkanDevice::finish(const Event & event) {
    const std::lock_guard lock(mutex_);
    Status waited = transfers_->finish(event.number);
    if (!failed_.ok()) waited = std::exchange(failed_, Status());
    const std::string complaint = instance_.take_complaint();
    if (waited.ok() && !complaint.empty()) return error(QL_INTERNAL, "vulkan: %s", complaint.c_str());
    return waited;
}

}  // namespace ql::vulkan
