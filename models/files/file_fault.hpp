// Where a fault of a file's content was found, said once and the same way by every reader.
#pragma once
#include <string>

#include "ql/status.hpp"

namespace ql {

/// The failure of reading `path`, with the path in front where the message does not begin with it. A key that is
/// missing is a fault of the file, not a file that is missing.
inline Status file_fault(const std::string & path, const Status & s) {
    if (s.ok()) return s;
    const ql_status code = s.code() == QL_NOT_FOUND ? QL_BAD_FILE : s.code();
    const bool named = s.message().starts_with(path);
    return error(code, "%s%s%s", named ? "" : path.c_str(), named ? "" : ": ", s.message().c_str());
}

}  // namespace ql
