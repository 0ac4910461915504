// Cases beyond those of the operators' files: sizes at which a vector kernel's blocks, tails and depth blocks all
// occur.
#pragma once
#include <vector>

#include "ggml/ops/op.hpp"

namespace ql::cpu {

/// Empty for an operator that its own cases cover.
std::vector<Case> larger_cases(const OpDef & def);

}  // namespace ql::cpu
