#include "models/quantize/weight_type.hpp"

#include "ql/dtypes.hpp"

namespace ql {

Result<ql_dtype> weight_type(const char * what, int64_t number) {
    ql_dtype dtype = QL_F32;
    bool known = false;  // by looking at all of them: a cast would drop the upper half of the number
    for (int64_t i = 0; i < ql_dtype_count() && !known; ++i)
        known = ql_dtype_at(i, &dtype) == QL_OK && static_cast<int64_t>(dtype) == number;
    if (!known) return error(QL_INVALID_ARGUMENT, "%s: type %lld is unknown", what, static_cast<long long>(number));
    if (!is_weight_target(dtype))
        return error(QL_UNSUPPORTED, "%s: weights cannot be written as %s; %s are possible", what, ql_dtype_name(dtype),
                     weight_target_names().c_str());
    return dtype;
}

Status check_search(int64_t search, ql_dtype dtype) {
    if (search != 0 && search != 1)
        return error(QL_INVALID_ARGUMENT, "search: %lld is neither 0 nor 1", static_cast<long long>(search));
    if (search == 0 || ql_dtype_can_search(dtype)) return {};
    return error(QL_UNSUPPORTED, "search: %s has no search for its scales; %s have", ql_dtype_name(dtype),
                 dtype_names(ql_dtype_can_search).c_str());
}

}  // namespace ql
