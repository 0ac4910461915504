// A merge that gives the trained model bit for bit: which one that is, and whether a merge is it.
#pragma once
#include <string>
#include <string_view>

#include "models/adapter/adapter.hpp"
#include "models/model/model.hpp"
#include "ql/quantize.h"

namespace ql {

/// BaseIdentity::file of the base's weights as they are in memory: by it the adapter knows them again.
Result<std::string> merge_base_of(const Model & base);

/// How an adapter names the merge that it was trained for: a type, or "keep" where each linear keeps its own (QL_BASE_KEEP).
std::string merge_type_name(int64_t type);

/// Whether the merge rounds a weight of type `from` to `to` by thresholds. A weight that has the type already sits on the
/// values themselves, and rounding to the nearest would keep it there until a change is half a step.
bool is_dithered(const ExactMerge & merge, ql_dtype from, ql_dtype to);
/// The key of a weight's thresholds: of its name.
uint32_t dither_key(std::string_view weight);

/// A weight of the base that has no branch, and which a merge into `type` converts; embedding and head become
/// `embedding_type`. errors  QL_INVALID_ARGUMENT names the first such weight, and both types
Status refuse_converted(const Adapter & adapter, const Model & base, int64_t type, int64_t embedding_type);

/// See ql_adapter_check_merge.
Status check_exact_merge(const Adapter & adapter, const Model & base, const ql_quantize_options & options);

}  // namespace ql
