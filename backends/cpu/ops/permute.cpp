// x with its dimensions in another order. moves.cpp has the split and the traffic.
#include "backends/cpu/ops/moves.hpp"

namespace ql::cpu {
const Kernel kernel::permute = {[](const Launch & l) { return run_move(l, permute_move(l.node)), Status(); }};
}
