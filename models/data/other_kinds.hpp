// Kinds of files that datasets come in and that are not read here, by their first bytes.
#pragma once
#include <string_view>

namespace ql {

/// "a Parquet file", null for text: that may begin with the letters of such a kind, too.
const char * other_kind(std::string_view bytes);

}  // namespace ql
