// Runs the moves of ggml/ops/moves.hpp.
#pragma once
#include "backends/cpu/device.hpp"
#include "ggml/ops/moves.hpp"

namespace ql::cpu {

void run_move(const Launch & l, const Move & move);

}  // namespace ql::cpu
