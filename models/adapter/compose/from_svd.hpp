// An adapter's matrices out of singular vectors.
#pragma once
#include "models/adapter/adapter.hpp"
#include "models/adapter/low_rank/svd.hpp"

namespace ql {

/// `to` says weight, k, m and a rank of at least the number of singular values; each is shared by A and B, what is left
/// is zero.
LoraMatrix from_svd(const ThinSvd & svd, LoraMatrix to);

}  // namespace ql
