#include "ggml/ops/blockwise_state.hpp"

#include "ggml/ops/checks.hpp"

namespace ql {

Status expect_blockwise_state(const Node & n, int i) {
    QL_TRY(expect_codes(n, i));
    QL_TRY(expect_same_shape(n, 0, i));
    QL_TRY(expect_state(n, i + 1));
    return expect_shape(n, i + 1, Shape(state_blocks(n.src[0]->shape.elements())));
}

CaseInput codes_in(Shape s) {
    return {s, Fill::codes, QL_I8, 0, TensorKind::state};
}

CaseInput absmax_in(Shape s) {
    return state_in(state_blocks(s.elements()), Fill::positive);
}

}  // namespace ql
