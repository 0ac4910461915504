// a, and b behind it along a dimension. moves.cpp has the split and the traffic.
#include "backends/cpu/ops/moves.hpp"

namespace ql::cpu {
namespace {

Status launch_concat(const Launch & l) {
    for (int source = 0; source < 2; ++source) run_move(l, concat_move(l.node, source));
    return {};
}

}  // namespace

const Kernel kernel::concat = {launch_concat};

}  // namespace ql::cpu
