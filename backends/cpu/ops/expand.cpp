// x, repeated in dimensions where its size is 1. moves.cpp has the split and the traffic.
#include "backends/cpu/ops/moves.hpp"

namespace ql::cpu {
const Kernel kernel::expand = {[](const Launch & l) { return run_move(l, expand_move(l.node)), Status(); }};
}
