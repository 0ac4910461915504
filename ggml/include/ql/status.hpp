/* ql/status.hpp - the C++ face of ql/status.h: Status, Result and printf-checked messages. Header only, C++20.
 * The library is written with it, and a C++ user of the C API may use it too. */
#ifndef QL_STATUS_HPP
#define QL_STATUS_HPP

#include <cstdarg>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ql/numbers.hpp"
#include "ql/status.h"

namespace ql {

using Code = ql_status;

/// Success (one null pointer) or an error code with a one-line message.
class [[nodiscard]] Status {
  public:
    Status() = default;
    /// What a call of the C API returned just now on this thread, with the message that it left: implicit, so that
    /// such a call can stand wherever a Status can.
    Status(Code returned) : Status(returned, returned == QL_OK ? "" : ql_error_message()) {}
    Status(Code code, std::string message)
        : error_(code == QL_OK ? nullptr : std::make_unique<Error>(Error{code, std::move(message)})) {}
    Status(Status &&) noexcept = default;
    Status & operator=(Status &&) noexcept = default;
    Status(const Status & other) : error_(other.error_ ? std::make_unique<Error>(*other.error_) : nullptr) {}
    Status & operator=(const Status & other) { return *this = Status(other); }

    bool ok() const { return !error_; }
    Code code() const { return error_ ? error_->code : QL_OK; }
    const std::string & message() const {
        static const std::string none;
        return error_ ? error_->message : none;
    }

  private:
    struct Error {
        Code code;
        std::string message;
    };
    std::unique_ptr<Error> error_;
};

/// vprintf into a std::string, with a decimal point whatever the host's locale writes.
[[gnu::format(printf, 1, 0)]] inline std::string format_list(const char * fmt, va_list args) {
    const DecimalPoint point;
    va_list again;
    va_copy(again, args);
    std::string text(static_cast<size_t>(std::vsnprintf(nullptr, 0, fmt, args)), '\0');
    std::vsnprintf(text.data(), text.size() + 1, fmt, again);
    va_end(again);
    return text;
}

/// printf into a std::string.
[[gnu::format(printf, 1, 2)]] inline std::string format(const char * fmt, ...) {
    va_list args;
    va_start(args, fmt);
    std::string text = format_list(fmt, args);
    va_end(args);
    return text;
}

/// An error with a printf-formatted message.
[[gnu::format(printf, 2, 3)]] inline Status error(Code code, const char * fmt, ...) {
    va_list args;
    va_start(args, fmt);
    Status status(code, format_list(fmt, args));
    va_end(args);
    return status;
}

/// A value, or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : value_(std::move(value)) {}
    Result(Status status) : status_(std::move(status)) {}
    Result(Code) = delete;  // a code is no value, though it converts to a number

    bool ok() const { return value_.has_value(); }
    const Status & status() const { return status_; }
    Code code() const { return status_.code(); }
    const std::string & message() const { return status_.message(); }
    T & value() & { return *value_; }
    const T & value() const & { return *value_; }
    T && value() && { return std::move(*value_); }
    T & operator*() & { return *value_; }
    const T & operator*() const & { return *value_; }
    T * operator->() { return &*value_; }
    const T * operator->() const { return &*value_; }

  private:
    std::optional<T> value_;
    Status status_;
};

}  // namespace ql

/// Returns from the enclosing function when the expression (a Status, or a call of the C API) failed.
#define QL_TRY(...)                                                                       \
    do {                                                                                  \
        if (::ql::Status ql_status_ = (__VA_ARGS__); !ql_status_.ok()) return ql_status_; \
    } while (0)

#define QL_CONCAT_(a, b) a##b
#define QL_CONCAT(a, b) QL_CONCAT_(a, b)
/// QL_ASSIGN(auto x, call()): x = the value of a Result, or return its Status.
#define QL_ASSIGN(declaration, ...)                                                             \
    auto QL_CONCAT(ql_result_, __LINE__) = (__VA_ARGS__);                                       \
    if (!QL_CONCAT(ql_result_, __LINE__).ok()) return QL_CONCAT(ql_result_, __LINE__).status(); \
    declaration = std::move(QL_CONCAT(ql_result_, __LINE__)).value()

#endif
