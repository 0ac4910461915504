/* ql/dtypes.hpp - lists of element types for messages and help, from the library's own table. Header only, C++20. */
#ifndef QL_DTYPES_HPP
#define QL_DTYPES_HPP

#include <string>
#include <vector>

#include "ql/dtype.h"

namespace ql {

/// "f32, f16, ... and nf4_dq": the names of all types for which `has` is true, in the table's order.
template <typename Predicate>
std::string dtype_names(const Predicate & has, const char * before_last = " and ") {
    std::vector<std::string> names;
    for (int64_t i = 0; i < ql_dtype_count(); ++i) {
        ql_dtype dtype = QL_F32;
        if (ql_dtype_at(i, &dtype) == QL_OK && has(dtype)) names.emplace_back(ql_dtype_name(dtype));
    }
    std::string text;
    for (size_t i = 0; i < names.size(); ++i)
        text += (i == 0 ? "" : i + 1 < names.size() ? ", " : before_last) + names[i];
    return text;
}

/// Whether weights can be converted to a type.
inline bool is_weight_target(ql_dtype dtype) {
    return ql_dtype_can_encode(dtype) && ql_dtype_is_weight(dtype);
}

inline std::string weight_target_names(const char * before_last = " and ") {
    return dtype_names(is_weight_target, before_last);
}

/// The names of all types that weights may have, those that can only be read included.
inline std::string weight_names(const char * before_last = " and ") {
    return dtype_names(ql_dtype_is_weight, before_last);
}

}  // namespace ql

#endif
