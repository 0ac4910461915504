// An adapter merged into its base: one file that needs no adapter any more.
#pragma once
#include <string>

#include "models/adapter/adapter.hpp"
#include "ql/quantize.h"

namespace ql {

/// Writes the base, a GGUF file, with w + scale B A in place of w, rounded once to the types that `options` ask for; some
/// rows in memory at a time.
/// errors   as ql_quantize; QL_BAD_FILE where the base has no such linear, or one of another shape, or where the adapter was
///          trained on another base
Status merge_adapter(const Adapter & adapter, const std::string & base, const std::string & out,
                     const ql_quantize_options & options, BaseRule rule = BaseRule::kSame);

/// Rows of W from `first` on, in place, become those of the weight that the matrix makes of W. values [k, rows].
void merge_rows(const LoraMatrix & matrix, int64_t first, int64_t rows, float * values);

}  // namespace ql
