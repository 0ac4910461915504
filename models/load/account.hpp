// Every tensor of a model file is accounted for: a tensor that the graph does not read would silently be missing from
// every result.
#pragma once
#include <string>
#include <vector>

#include "models/model/architecture.hpp"
#include "models/model/weights.hpp"

namespace ql {

/// Refuses by name the first weight that is not among the needed ones.
Status refuse_unneeded(const std::vector<Weight> & weights, const std::vector<NeededWeight> & needed,
                       const Hparams & h);

}  // namespace ql
