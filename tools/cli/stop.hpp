// How a program gives up: a Stop is thrown where the trouble is seen and becomes one line on stderr and an exit code in
// Program::run. Only programs throw; the library under them returns statuses.
#pragma once
#include <string>

#include "ql/status.hpp"

namespace ql::cli {

enum ExitCode { kDone = 0, kFailed = 1, kBadInput = 2, kInterrupted = 130 };

struct Stop {
    int code;
    std::string message;  // one line; empty: everything was said already
};

/// Exit code 2: what the user gave is wrong.
template <typename... Args>
[[noreturn]] void bad_input(const char * fmt, Args... args) {
    throw Stop{kBadInput, format(fmt, args...)};
}
[[noreturn]] inline void bad_input(const char * message) {
    throw Stop{kBadInput, message};
}

/// Exit code 1: the work itself failed.
template <typename... Args>
[[noreturn]] void run_failed(const char * fmt, Args... args) {
    throw Stop{kFailed, format(fmt, args...)};
}

/// For calls that read what the user named: everything but a lack of memory or disk is bad input.
inline void check_input(ql_status status) {
    if (status == QL_OK) return;
    const bool machine = status == QL_NO_MEMORY || status == QL_NO_SPACE || status == QL_INTERNAL;
    throw Stop{status == QL_CANCELLED ? kInterrupted : machine ? kFailed : kBadInput, ql_error_message()};
}

/// For calls that do the work: a failure is the run's, except an argument out of the library's range.
inline void check_run(ql_status status) {
    if (status == QL_OK) return;
    const bool argument = status == QL_INVALID_ARGUMENT || status == QL_UNSUPPORTED;
    throw Stop{status == QL_CANCELLED ? kInterrupted : argument ? kBadInput : kFailed, ql_error_message()};
}

}  // namespace ql::cli
