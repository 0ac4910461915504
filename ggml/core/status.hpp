// The calling thread's last error: where a Status of the C++ inside becomes the code and message of the C API.
#pragma once
#include <new>

#include "ql/status.hpp"

namespace ql {

/// Keeps the message of a failure for `ql_error_message` and returns its code; a success leaves the last message alone.
/// Control characters become '?', so that a hostile file's names cannot write to a terminal or add lines.
ql_status set_last_error(const Status & status) noexcept;
ql_status set_last_error(Code code, const char * message) noexcept;
void clear_last_error() noexcept;

/// Runs the body of an extern "C" function (a callable that returns Status), keeps its error and lets no exception out.
template <typename Body>
ql_status guarded(Body && body) noexcept {
    try {
        return set_last_error(body());
    } catch (const std::bad_alloc &) {
        return set_last_error(QL_NO_MEMORY, "out of memory");
    } catch (...) {
        return set_last_error(QL_INTERNAL, "an unexpected exception was thrown; please report it");
    }
}

}  // namespace ql
