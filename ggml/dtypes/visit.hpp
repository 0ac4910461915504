// The one place that goes from a type's id to its struct, for what is written once for every format.
#pragma once
#include <cassert>
#include <utility>

#include "ggml/dtypes/dtypes.def"  // the structs

namespace ql {

/// Calls f with an (empty) object of the format's struct and returns what it returns:
///     visit(dtype, [&](auto format) { decltype(format)::decode(src, n, 0, n, dst); });
/// The id is a known one: ids from outside go through find_dtype first.
template <class F>
decltype(auto) visit(ql_dtype dtype, F && f) {
    switch (dtype) {
#define QL_FORMAT(Format, holds, access) \
    case Format::id:                     \
        return std::forward<F>(f)(Format{});
#include "ggml/dtypes/dtypes.def"
    }
    assert(!"unknown dtype");
    return std::forward<F>(f)(F32{});
}

}  // namespace ql
