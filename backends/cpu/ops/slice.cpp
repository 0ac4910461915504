// A part of x along a dimension, copied. moves.cpp has the split and the traffic.
#include "backends/cpu/ops/moves.hpp"

namespace ql::cpu {
const Kernel kernel::slice = {[](const Launch & l) { return run_move(l, slice_move(l.node)), Status(); }};
}
