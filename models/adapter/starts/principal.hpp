// The best branch for a matrix: what PiSSA and LoftQ have in common.
#pragma once
#include <vector>

#include "models/adapter/adapter.hpp"
#include "models/model/model.hpp"

namespace ql {

/// A weight's values in f32.              errors  QL_NON_FINITE names the weight
Result<std::vector<float>> weight_values(const Weight & w);

/// The branch becomes the best approximation of D [k, m] at its rank: s B A = U S V^T, A = sqrt(S/s) V^T, B = U sqrt(S/s).
void set_principal(LoraMatrix & matrix, const std::vector<float> & d, int threads);

}  // namespace ql
