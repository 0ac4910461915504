// Where C++ ends in models/: runs the body of an extern "C" function, keeps its error for the caller, lets no exception
// out.
#pragma once
#include <new>

#include "ql/status.hpp"

namespace ql {

template <typename Body>
ql_status guarded(const Body & body) noexcept {
    try {
        const Status status = body();
        return status.ok() ? QL_OK : ql_set_error(status.code(), status.message().c_str());
    } catch (const std::bad_alloc &) {
        return ql_set_error(QL_NO_MEMORY, "out of memory");
    } catch (...) {
        return ql_set_error(QL_INTERNAL, "an unexpected exception was thrown; please report it");
    }
}

}  // namespace ql
