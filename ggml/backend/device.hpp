// An open device: a backend and its device, as the rest of the engine holds it.
#pragma once
#include "ggml/backend/backend.hpp"
#include "ggml/backend/turns.hpp"
#include "ggml/graph/tensor.hpp"

struct ql_device {
    const ql::Backend * backend = nullptr;
    ql::DeviceImpl * impl = nullptr;
    ql::Caps caps;
    ql::Turns turns;  // of the threads that run something on it
};

namespace ql {
using Device = ::ql_device;
Result<Device *> open_device(const ql_device_options & options);
void close_device(Device * device);
/// Zeroed memory on a device.
Result<Storage> allocate(Device & device, size_t bytes);
void release(Storage & storage);
}  // namespace ql
