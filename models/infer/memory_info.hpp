// What inference takes of memory, as a caller is told (ql_inference_info).
#pragma once
#include <span>

#include "models/infer/applied_adapter.hpp"
#include "ql/engine.h"
#include "ql/ql.hpp"

namespace ql {

/// Bytes of the leaves that attach_adapters makes.
uint64_t bytes_of(std::span<const AppliedAdapter> adapters, const AppliedParts & parts);

/// memory         of all plans together
/// pass           the plan of which lanes, and what it reads, are told
/// adapter_bytes  of memory.weights, those that are the adapters'
/// program_bytes  of the process, besides the plans
ql_inference_info inference_info(const ql_memory_info & memory, const PlanPtr & pass, uint64_t adapter_bytes,
                                 uint64_t program_bytes);

}  // namespace ql
