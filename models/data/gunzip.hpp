// Unpacking gzip files, as gzip and Python do it: several members in a row, with zeros between and after them.
#pragma once
#include <string>
#include <string_view>

#include "ql/status.hpp"

namespace ql {

/// The first bytes tell.
bool is_gzip(std::string_view bytes);

/// errors  QL_BAD_FILE (no path): damaged, cut off, or followed by something else; QL_UNSUPPORTED: more than 4 GiB, or
///         more than 64 MiB and 256 times the packed size (text packs 3 to 50 times: this is a bomb); QL_NO_MEMORY
Result<std::string> gunzip(std::string_view packed);

}  // namespace ql
