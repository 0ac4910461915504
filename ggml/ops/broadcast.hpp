// Operators of two tensors a and b, of which b is repeated in each dimension where its size is 1: a row for all rows, a
// number for each row, one number for all.
#pragma once
#include "ggml/grad/grad.hpp"
#include "ggml/ops/checks.hpp"

namespace ql {

/// Whether a tensor of shape `b` can be repeated to shape `a`.
inline bool repeats_to(const Shape & a, const Shape & b) {
    for (int i = 0; i < QL_MAX_DIMS; ++i)
        if (a[i] < 1 || (b[i] != a[i] && b[i] != 1)) return false;
    return true;
}

/// Checks sources 0 and 1; the result has the first's shape and may lie in its storage.
Status infer_broadcast(const Node & n, std::vector<OutSpec> & outs);

/// The row of b, in rows of b's own length, that goes with row `row` of a.
inline int64_t repeated_row(const Shape & a, const Shape & b, int64_t row) {
    const int64_t at[] = {row % a[1], row / a[1] % a[2], row / (a[1] * a[2])};
    const int64_t in_b[] = {b[1] == 1 ? 0 : at[0], b[2] == 1 ? 0 : at[1], b[3] == 1 ? 0 : at[2]};
    return in_b[0] + b[1] * (in_b[1] + b[2] * in_b[2]);
}

/// The gradient of a tensor of shape `to` that was repeated to dy's: dy summed over the dimensions of the repetition.
Tensor * summed_to(GradBuilder & b, Tensor * dy, const Shape & to);

/// y = f(a, b), element by element.
template <typename Real, typename F>
void reference_broadcast(const RefArgs<Real> & args, const F & f) {
    const Shape &a = args.in(0).shape, &b = args.in(1).shape;
    for (int64_t row = 0; row < a.rows(); ++row) {
        const Real * second = args.x(1) + repeated_row(a, b, row) * b[0];
        for (int64_t i = 0; i < a[0]; ++i)
            args.y(0)[row * a[0] + i] = f(args.x(0)[row * a[0] + i], second[b[0] == 1 ? 0 : i]);
    }
}

}  // namespace ql
