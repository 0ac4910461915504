// Attention whose temperature falls with the position: q is multiplied by a number of its position.
#pragma once
#include "models/model/hparams.hpp"

namespace ql {

/// Sets h.position_factors; n_ctx is known.
Status set_temperature(double scale, double original_context, Hparams & h);

}  // namespace ql
