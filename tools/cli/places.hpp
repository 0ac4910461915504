// Where a plan's kernels run, for -v.
#pragma once
#include <string>

#include "ql/plan.h"

namespace ql::cli {

/// "apart:0 61 kernels, cpu 74 kernels, 9 copies (0.1 MB); moved: 4 rope (its backend has no kernel)"; "" where one
/// device runs everything.
std::string describe_places(const ql_plan * plan);

}  // namespace ql::cli
