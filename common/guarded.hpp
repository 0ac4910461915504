// Where C++ ends: the body of an extern "C" function lets no exception out and leaves its error for the caller.
#pragma once
#include <new>

#include "ql/status.hpp"

namespace ql {

/// Leaves a failure's message for `ql_error_message` and returns its code; a success leaves the last message alone.
inline ql_status leave_error(const Status & status) noexcept {
    return status.ok() ? QL_OK : ql_set_error(status.code(), status.message().c_str());
}

/// `body` is a callable that returns Status.
template <typename Body>
ql_status guarded(const Body & body) noexcept {
    try {
        return leave_error(body());
    } catch (const std::bad_alloc &) {
        return ql_set_error(QL_NO_MEMORY, "out of memory");
    } catch (...) {
        return ql_set_error(QL_INTERNAL, "an unexpected exception was thrown; please report it");
    }
}

}  // namespace ql
