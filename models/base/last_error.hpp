// The engine's functions return a code and leave a message: both as a Status.
#pragma once
#include "ql/status.hpp"

namespace ql {

/// The error that the last C call of this thread left.
inline Status last_error(ql_status code) {
    return code == QL_OK ? Status() : Status(code, ql_error_message());
}

}  // namespace ql
