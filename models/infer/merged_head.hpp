// The output matrix with the adapters' branches on it: the fused loss takes one matrix.
#pragma once
#include <span>

#include "models/infer/applied_adapter.hpp"

namespace ql {

/// True if one of the adapters changes the head.
bool changes_head(const Model & model, std::span<const AppliedAdapter> adapters);

/// W + sum of s B A in f32, [n_embd, n_vocab], and rows of tokens as they are applied.       errors  QL_NO_MEMORY
Result<AlignedBytes> merged_head(const Model & model, std::span<const AppliedAdapter> adapters,
                                 const AppliedParts & parts);

}  // namespace ql
