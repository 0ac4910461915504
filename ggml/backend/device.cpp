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
    return device.release();
}

void close_device(Device * device) {
    if (!device) return;
    device->backend->close(device->impl);
    delete device;
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
