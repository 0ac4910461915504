#include "ggml/ops/broadcast.hpp"

#include <utility>

#include "ggml/ops/params.hpp"

namespace ql {

Status infer_broadcast(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_f32(n, 0));
    QL_TRY(expect_f32(n, 1));
    const Shape &a = n.src[0]->shape, &b = n.src[1]->shape;
    if (!repeats_to(a, b)) return shape_error(n, "each size of the second must be the first's, or 1");
    outs.push_back({.shape = a, .may_reuse = 0});
    return {};
}

/// One dimension after the other: swapped with the innermost, summed, and swapped back.
Tensor * summed_to(GradBuilder & b, Tensor * dy, const Shape & to) {
    for (int d = 0; dy && d < QL_MAX_DIMS; ++d) {
        if (dy->shape[d] == to[d]) continue;
        PermuteParams swap;
        std::swap(swap.from[0], swap.from[d]);
        if (d > 0) dy = b.graph().emit(op::permute, {dy}, swap);
        dy = b.graph().emit(op::sum_rows, {dy});
        if (d > 0) dy = b.graph().emit(op::permute, {dy}, swap);
    }
    return dy;
}

}  // namespace ql
