// --memory: a size, or sizes by device.
#pragma once
#include <cstdint>
#include <string>

namespace ql::cli {

/// Bytes of the processor's memory that "300MiB" or "cpu=300MiB" says; 0 for "". Throws Stop for what is no size, and
/// for a device that is not built or that takes no budget.
uint64_t parse_budget(const std::string & text);

}  // namespace ql::cli
