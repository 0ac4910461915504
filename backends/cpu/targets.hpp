// Highway's run-time choice of a kernel's compiled variant, narrowed to the instruction set of the device.
#pragma once
#include "backends/cpu/isa.hpp"

namespace ql::cpu {

/// From now on Highway's dynamic dispatch picks at most this set (in the whole process: $QL_ISA is one per process).
void limit_targets(Isa isa);

}  // namespace ql::cpu
