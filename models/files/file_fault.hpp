// Where a fault in a file's content was found: every reader says so once, and in the same way.
#pragma once
#include <string>

#include "ql/status.hpp"

namespace ql {

/// The failure of reading `path`; the path comes first, unless the message already begins with it. A missing key is a
/// fault of the file, not a missing file.
inline Status file_fault(const std::string & path, const Status & s) {
    if (s.ok()) return s;
    const ql_status code = s.code() == QL_NOT_FOUND ? QL_BAD_FILE : s.code();
    const bool named = s.message().starts_with(path);
    return error(code, "%s%s%s", named ? "" : path.c_str(), named ? "" : ": ", s.message().c_str());
}

}  // namespace ql
