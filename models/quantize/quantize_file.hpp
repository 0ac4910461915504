// A GGUF model rewritten with other weight types, one tensor in memory at a time.
#pragma once
#include <string>

#include "ql/quantize.h"
#include "ql/status.hpp"

namespace ql {

Status quantize_file(const std::string & in, const std::string & out, const ql_quantize_options & options);

}  // namespace ql
