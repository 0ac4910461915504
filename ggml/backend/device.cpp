// Opening devices, and the memory on them.
#include "ggml/backend/device.hpp"

#include "ggml/backend/registry.hpp"

namespace ql {

Result<Device *> open_device(const ql_device_options & options) {
    QL_ASSIGN(const Backend * backend, find_backend(options.name ? options.name : "auto"));
    auto device = std::make_unique<Device>();
    device->backend = backend;
    QL_TRY(backend->open(options, &device->impl));
    device->caps = backend->caps(*device->impl);
    device->name = options.name && std::string(options.name) != "auto" ? options.name : backend->name;
    device->threads = options.threads;
    return device.release();
}

void close_device(Device * device) {
    if (!device) return;
    close_device(device->fallback);
    device->backend->close(device->impl);
    delete device;
}

Result<Device *> fallback_of(Device & device) {
    if (device.backend->host_memory) return nullptr;
    const std::lock_guard lock(device.fallback_mutex);
    if (!device.fallback) {
        const ql_device_options cpu = {sizeof(cpu), "cpu", device.threads,
                                       device.caps.bf16 ? QL_COMPUTE_AUTO : QL_COMPUTE_F32};
        QL_ASSIGN(device.fallback, open_device(cpu));
    }
    return device.fallback;
}

Result<Storage> allocate(Device & device, size_t bytes) {
    Storage storage{&device, nullptr, bytes};
    QL_TRY(device.backend->alloc(*device.impl, bytes, &storage.data));
    return storage;
}

void release(Storage & storage) {
    if (storage.device && storage.data)
        storage.device->backend->release(*storage.device->impl, storage.data, storage.bytes);
    storage = {};
}

}  // namespace ql
