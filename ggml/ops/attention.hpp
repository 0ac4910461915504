// What attention and its gradient share: shape checks, the range of keys of a query, and the count of operations.
#pragma once
#include <algorithm>

#include "ggml/ops/checks.hpp"
#include "ggml/ops/params.hpp"

namespace ql {

/// Checks the shapes of q [d, H, T], k and v [d, H_kv, S] (sources 0, 1, 2), and the span i32 [2, T] (source `span`).
inline Status check_attention_shapes(const Node & n, int span) {
    QL_TRY(expect_i32(n, span));
    const Shape &q = n.src[0]->shape, &k = n.src[1]->shape;
    QL_TRY(expect_same_shape(n, 1, 2));
    if (q[3] != 1 || k[3] != 1) return shape_error(n, "q must be [d, H, T], k and v [d, H_kv, S]");
    if (q[0] != k[0]) return shape_error(n, "head sizes differ");
    if (q[1] % k[1]) return shape_error(n, "the heads of q are no multiple of those of k");
    return expect_shape(n, span, Shape(2, q[2]));
}

/// The same, with q, k and v of f32.
inline Status check_attention(const Node & n, int span) {
    for (int i = 0; i < 3; ++i) QL_TRY(expect_f32(n, i));
    return check_attention_shapes(n, span);
}

struct KeyRange {
    int64_t begin, end;
};
/// The keys of query t; ranges are cut to the keys that there are, so that a wrong span cannot read elsewhere.
inline KeyRange key_range(const int32_t * span, int64_t t, int64_t n_keys) {
    const int64_t begin = std::clamp<int64_t>(span[2 * t], 0, n_keys),
                  end = std::clamp<int64_t>(span[2 * t + 1], 0, n_keys);
    return {begin, std::max(begin, end)};
}

/// Of `products` products of queries with keys. The spans are not known here: as many keys as queries is taken for
/// causal self-attention, where a query sees half of them.
inline double attention_flops(const Node & n, int products) {
    const Shape &q = n.src[0]->shape, &k = n.src[1]->shape;
    const double keys = q[2] == k[2] ? 0.5 * static_cast<double>(k[2] + 1) : static_cast<double>(k[2]);
    return 2.0 * products * static_cast<double>(q.elements()) * keys;
}

}  // namespace ql
