// Opening devices, and the memory on them.
#include "ggml/backend/device.hpp"

#include <optional>
#include <string_view>

#include "ggml/backend/registry.hpp"

namespace ql {

namespace {

struct Close {
    void operator()(Device * device) const { close_device(device); }
};
using Owned = std::unique_ptr<Device, Close>;

Result<Device *> open_at(const DeviceAddress & found, const std::string & name, const ql_device_options & options) {
    auto device = std::make_unique<Device>();
    QL_TRY(found.backend->open(options, found.number, device->owned));
    device->backend = found.backend;
    device->impl = device->owned.get();
    device->caps = device->impl->caps();
    device->name = name;
    device->threads = options.threads;
    return device.release();
}

/// The first device that its backend does not refuse: a card may be too old for the kernels.
Result<Device *> open_best(const ql_device_options & options) {
    Status refused = error(QL_NOT_FOUND, "device 'auto': there is none");
    for (const FoundBackend & found : found_backends())
        for (size_t i = 0; i < found.devices().size(); ++i) {
            const std::string name = found.backend->name + (i > 0 ? ":" + std::to_string(i) : "");
            Result<Device *> opened = open_at({found.backend, i}, name, options);
            if (opened.code() != QL_UNSUPPORTED) return opened;
            refused = opened.status();
        }
    return refused;
}

Result<Device *> open_one(const ql_device_options & options) {
    if (std::string_view(options.name) == "auto") return open_best(options);
    QL_ASSIGN(const DeviceAddress found, find_device(options.name));
    return open_at(found, options.name, options);
}

Result<Device *> open_several(const ql_device_options & options, std::string_view names) {
    Owned all(new Device);
    all->name = names;
    for (bool more = true; more;) {
        const std::string name(names.substr(0, names.find(',')));
        more = name.size() < names.size();
        names.remove_prefix(name.size() + more);
        ql_device_options one = options;
        one.name = name.c_str();
        all->parts.reserve(all->parts.size() + 1);
        QL_ASSIGN(Device * part, open_one(one));
        all->parts.push_back(part);
    }
    all->backend = all->parts[0]->backend;
    all->impl = all->parts[0]->impl;
    all->caps = all->parts[0]->caps;
    return all.release();
}

/// In the device's turn: else the error of another thread's plan would be reported here, and not to that plan.
Status copy_and_wait(Device & device, const Copy & copy) {
    std::optional<Turns::Held> turn;
    if (!device.caps.host_memory) turn.emplace(device.turns);
    QL_TRY(device.impl->copy(Queue::copy, copy));
    return device.impl->finish(device.impl->now(Queue::copy));
}

}  // namespace

Result<Device *> open_device(const ql_device_options & options) {
    ql_device_options named = options;
    if (!named.name) named.name = "auto";
    const std::string_view names(named.name);
    return names.find(',') == names.npos ? open_one(named) : open_several(named, names);
}

void close_device(Device * device) {
    if (!device) return;
    for (Device * part : device->parts) close_device(part);
    close_device(device->fallback);
    delete device;
}

Result<Device *> fallback_of(Device & device) {
    if (device.caps.host_memory) return nullptr;
    const std::lock_guard lock(device.fallback_mutex);
    if (!device.fallback) {
        const ql_device_options cpu = {sizeof(cpu), "cpu", device.threads,
                                       device.caps.bf16 ? QL_COMPUTE_AUTO : QL_COMPUTE_F32};
        QL_ASSIGN(device.fallback, open_device(cpu));
    }
    return device.fallback;
}

Result<Storage> allocate(Device & device, size_t bytes, MemoryKind memory) {
    static constexpr auto release = [](Storage & s, MemoryKind kind) {
        s.device->impl->release(kind, s.data, s.bytes);
    };
    QL_ASSIGN(void * data, device.impl->allocate(memory, bytes));
    return memory == MemoryKind::pinned
               ? Storage(&device, data, bytes, [](Storage & s) { release(s, MemoryKind::pinned); })
               : Storage(&device, data, bytes, [](Storage & s) { release(s, MemoryKind::device); });
}

Status upload(Device & device, void * to, const void * from, size_t bytes) {
    return copy_and_wait(device, {to, from, bytes, MemoryKind::device, MemoryKind::host});
}

Status download(Device & device, void * to, const void * from, size_t bytes) {
    return copy_and_wait(device, {to, from, bytes, MemoryKind::host, MemoryKind::device});
}

}  // namespace ql
