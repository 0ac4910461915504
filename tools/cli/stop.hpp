// How a program gives up: a Stop is thrown where the trouble is seen and becomes one line on stderr and an exit code in
// Program::run. Only programs throw; the library under them returns statuses.
#pragma once
#include <cstdint>
#include <string>
#include <utility>

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

/// A budget that is too small is what the user gave, and no lack of the machine's. budget: in bytes; 0: none.
inline Status within_budget(Status status, uint64_t budget) {
    if (budget == 0 || status.code() != QL_NO_MEMORY) return status;
    return error(QL_INVALID_ARGUMENT, "%s", status.message().c_str());
}

/// For calls that read what the user named: everything but a lack of memory or disk is bad input.
inline void check_input(const Status & status) {
    if (status.ok()) return;
    const Code code = status.code();
    const bool machine = code == QL_NO_MEMORY || code == QL_NO_SPACE || code == QL_INTERNAL;
    throw Stop{code == QL_CANCELLED ? kInterrupted : machine ? kFailed : kBadInput, status.message()};
}

/// For calls that do the work: a failure is the run's, except an argument out of the library's range.
inline void check_run(const Status & status) {
    if (status.ok()) return;
    const Code code = status.code();
    const bool argument = code == QL_INVALID_ARGUMENT || code == QL_UNSUPPORTED;
    throw Stop{code == QL_CANCELLED ? kInterrupted : argument ? kBadInput : kFailed, status.message()};
}

/// The value that such a call returns.
template <typename T>
T input_of(Result<T> result) {
    check_input(result.status());
    return std::move(result).value();
}
template <typename T>
T run_of(Result<T> result) {
    check_run(result.status());
    return std::move(result).value();
}

}  // namespace ql::cli
