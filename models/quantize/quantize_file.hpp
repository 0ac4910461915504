// A GGUF model rewritten with other weight types, some rows in memory at a time.
#pragma once
#include <string>

#include "models/quantize/weight_edit.hpp"
#include "ql/quantize.h"

namespace ql {

/// edit: null for none
Status quantize_file(const std::string & in, const std::string & out, const ql_quantize_options & options,
                     const WeightEdit * edit = nullptr);

}  // namespace ql
