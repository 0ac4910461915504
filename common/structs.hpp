// How the library reads and fills structs that cross the C border. They start with their size, so that a caller
// compiled against an older header and a newer library (or the reverse) understand each other.
#pragma once
#include <cstdint>
#include <cstring>

#include "ql/dtype.h"
#include "ql/status.hpp"

namespace ql {

/// An enumerator's number, read as bytes: a C caller may pass any number, and C++ must not load one outside the enum.
template <typename Enum>
int32_t enum_number(const Enum & value) {
    static_assert(sizeof(Enum) == sizeof(int32_t));
    int32_t number;
    std::memcpy(&number, &value, sizeof number);
    return number;
}

/// The caller's enumerator, or `unknown` in place of a number that the enum cannot hold: `unknown` is the greatest it can.
template <typename Enum>
Enum enum_or(const Enum & value, Enum unknown) {
    const int32_t number = enum_number(value);
    return number < 0 || number > enum_number(unknown) ? unknown : value;
}
inline ql_dtype dtype_of_caller(const ql_dtype & dtype) {
    return enum_or(dtype, static_cast<ql_dtype>(INT32_MAX));
}

/// Whether give_struct can fill `to`: asked before long work whose result would otherwise have nowhere to go.
template <typename T>
Status check_struct(const T * to) {
    if (!to) return error(QL_INVALID_ARGUMENT, "the struct to fill is NULL");
    if (to->size < sizeof(size_t) || to->size > 4096)
        return error(QL_INVALID_ARGUMENT, "set the struct's `size` first; got %zu", to->size);
    return {};
}

/// Copies as much of `from` as fits into the struct of a caller that may have been compiled against an older header.
template <typename T>
Status give_struct(T * to, const T & from) {
    if (Status status = check_struct(to); !status.ok()) return status;
    const size_t size = to->size;
    std::memcpy(static_cast<void *>(to), &from, size < sizeof(T) ? size : sizeof(T));
    to->size = size;
    return {};
}

/// The caller's options, with defaults where its struct is shorter than ours; NULL means all defaults.
template <typename T>
Result<T> take_struct(const T * from, T defaults) {
    if (!from) return defaults;
    if (from->size < sizeof(size_t) || from->size > 4096)
        return error(QL_INVALID_ARGUMENT, "options are not initialised: call their _init function; size is %zu",
                     from->size);
    std::memcpy(static_cast<void *>(&defaults), from, from->size < sizeof(T) ? from->size : sizeof(T));
    return defaults;
}

}  // namespace ql
