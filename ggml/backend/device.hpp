// An open device: a backend and its device, as the rest of the engine holds it.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ggml/backend/backend.hpp"
#include "ggml/backend/turns.hpp"
#include "ggml/ir/storage.hpp"

struct ql_device {
    std::string name;  // as it was asked for: "cpu", "cuda:1"
    const ql::Backend * backend = nullptr;
    std::unique_ptr<ql::DeviceImpl> owned;
    ql::DeviceImpl * impl = nullptr;  // for several devices, the first one's
    ql::Caps caps;
    ql::Turns turns;  // of the threads that run something on it
    int threads = 0;  // as they were asked for
    std::mutex fallback_mutex;
    ql_device * fallback = nullptr;  // the CPU, for what this device has no kernel for; opened when a plan needs it
    std::vector<ql_device *> parts;  // of a device that is several; backend and caps are then the first one's
};

namespace ql {
using Device = ::ql_device;
/// A name with commas opens several devices as one.
Result<Device *> open_device(const ql_device_options & options);
void close_device(Device * device);
/// The CPU that runs what the device cannot: opened at the first call, closed with the device. Null for a CPU.
Result<Device *> fallback_of(Device & device);
/// Zeroed memory of a device, or of the host for copies from and to it, which the storage frees.
Result<Storage> allocate(Device & device, size_t bytes, MemoryKind memory = MemoryKind::device);
/// Copies between a device's own memory and the host's, and waits for the copy.
Status upload(Device & device, void * to, const void * from, size_t bytes);
Status download(Device & device, void * to, const void * from, size_t bytes);
}  // namespace ql
