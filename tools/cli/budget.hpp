// --memory: a size, or sizes by device.
#pragma once
#include <cstdint>
#include <string>

namespace ql::cli {

/// Bytes of the processor's memory that "300MiB" or "cpu=300MiB" says; 0 where only other devices' are said. Throws Stop for
/// what is no size, and for a device that is not built or that takes no budget.
uint64_t parse_budget(const std::string & text);

/// Tells the backends of `devices`, which are as --device names them, what "vulkan:1=2GiB" lets theirs take: by $QL_VULKAN.
/// Throws Stop where the device is not among them.
void limit_devices(const std::string & text, const std::string & devices);

}  // namespace ql::cli
