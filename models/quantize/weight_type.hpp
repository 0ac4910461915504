// Types of weights that callers ask for by number.
#pragma once
#include "ql/dtype.h"
#include "ql/status.hpp"

namespace ql {

/// The ql_dtype of a number from an option, which a C caller may set to anything: one that weights can be converted to.
/// `what` names the option in messages.          errors  QL_INVALID_ARGUMENT: no type; QL_UNSUPPORTED: it cannot be
/// written
Result<ql_dtype> weight_type(const char * what, int64_t number);

/// The option `search` beside the type of the block matrices, one that weight_type has let pass.
/// errors  QL_INVALID_ARGUMENT: neither 0 nor 1; QL_UNSUPPORTED: the type has no search
Status check_search(int64_t search, ql_dtype dtype);

}  // namespace ql
