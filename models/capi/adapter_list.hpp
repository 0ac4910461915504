// Lists of adapters, as the C API takes them.
#pragma once
#include <vector>

#include "models/infer/applied_adapter.hpp"
#include "ql/adapter.h"

namespace ql {

/// The adapters of a list, with their scales (null: all 1), checked for the model.
Result<std::vector<AppliedAdapter>> adapter_list(const ql_model & model, const ql_adapter * const * adapters,
                                                 const float * scales, int n);

}  // namespace ql
