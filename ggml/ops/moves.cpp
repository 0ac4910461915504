#include "ggml/ops/moves.hpp"

namespace ql {

Status expect_single_elements(const Node & n, int i) {
    const auto & x = *n.src[static_cast<size_t>(i)];
    if (ql_dtype_block_length(x.dtype) == 1) return {};
    return error(QL_BAD_DTYPE, "%s: input %d must be of a type without blocks, got %s",
                 std::string(n.def->name).c_str(), i, describe(x).c_str());
}

Status expect_dimension(const Node & n, int64_t dim) {
    if (dim >= 0 && dim < QL_MAX_DIMS) return {};
    return error(QL_INVALID_ARGUMENT, "%s: dimension %lld, 0 to 3 are possible", std::string(n.def->name).c_str(),
                 static_cast<long long>(dim));
}

}  // namespace ql
