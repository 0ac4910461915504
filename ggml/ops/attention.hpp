// What attention and its gradient share: shape checks, the range of keys of a query, and the count of operations.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>

#include "ggml/ops/checks.hpp"
#include "ggml/ops/params.hpp"
#include "ggml/ops/soft_cap.hpp"

namespace ql {

/// Checks the shapes of q [d, H, T], k and v [d, H_kv, S] (sources 0, 1, 2), and the span i32 [2, T] (source `span`).
/// An operator with keys in pages checks the fourth dimension of k and v itself.
inline Status check_attention_heads(const Node & n, int span) {
    QL_TRY(expect_i32(n, span));
    const Shape &q = n.src[0]->shape, &k = n.src[1]->shape;
    QL_TRY(expect_same_shape(n, 1, 2));
    if (q[3] != 1) return shape_error(n, "q must be [d, H, T]");
    if (q[0] != k[0]) return shape_error(n, "head sizes differ");
    if (q[1] % k[1]) return shape_error(n, "the heads of q are no multiple of those of k");
    return expect_shape(n, span, Shape(2, q[2]));
}

/// The same, where keys follow each other.
inline Status check_attention_shapes(const Node & n, int span) {
    QL_TRY(check_attention_heads(n, span));
    if (n.src[1]->ne(3) != 1) return shape_error(n, "k and v must be [d, H_kv, S]");
    return {};
}

/// The same, with q, k and v of f32.
inline Status check_attention(const Node & n, int span) {
    for (int i = 0; i < 3; ++i) QL_TRY(expect_f32(n, i));
    return check_attention_shapes(n, span);
}

/// Attention's last source, if there is one: the pages in which its keys lie. Without it, and in attention_back, which
/// has more sources, keys follow each other.
inline constexpr int kPageTable = 4;
/// The fewest keys of a page, which has a power of two of them: a kernel's block, 64 keys, never crosses a page's end.
inline constexpr int64_t kLeastPage = 64;

inline bool has_pages(const Node & n) {
    return n.src.size() == size_t{kPageTable} + 1;
}
/// The keys that a span can name: those of the pages in the table.
inline int64_t count_keys(const Node & n) {
    const int64_t n_keys = n.src[1]->ne(2);
    return has_pages(n) ? n_keys * n.src[kPageTable]->ne(0) : n_keys;
}

/// Where the keys lie: key j is row(j) of k and v. Files for other instruction sets include this: all of it is inlined.
/// It is constexpr for kernels of CUDA.
struct KeyRows {
    const int32_t * pages = nullptr;  // null: key j is row j
    int64_t n_pages = 0;
    int page_bits = 0;  // a page has 2^page_bits keys

    /// Page numbers are clamped to those that exist, so that a wrong table cannot read elsewhere.
    [[gnu::always_inline]] constexpr int64_t row(int64_t key) const {
        if (!pages) return key;
        const int64_t at = pages[key >> page_bits];
        return (at < 0 ? 0 : at < n_pages ? at : n_pages - 1) << page_bits | (key & (page() - 1));
    }
    [[gnu::always_inline]] constexpr int64_t page() const { return int64_t{1} << page_bits; }
};
/// `pages`: the table's numbers, null without one.
inline KeyRows key_rows(const Node & n, const int32_t * pages) {
    if (!pages) return {};
    return {pages, n.src[1]->ne(3), std::countr_zero(static_cast<uint64_t>(n.src[1]->ne(2)))};
}

/// Scale and cap are numbers.
inline Status check_attention_params(const Node & n) {
    const auto p = n.params.as<AttentionParams>();
    if (!std::isfinite(p.scale))
        return error(QL_INVALID_ARGUMENT, "attention: scale is %g", static_cast<double>(p.scale));
    return std::isfinite(p.cap) && p.cap >= 0 ? Status() : soft_cap_error("attention", p.cap);
}

struct KeyRange {
    int64_t begin, end;
};
/// The keys of query t; ranges are cut to the keys that exist, so that a wrong span cannot read elsewhere.
constexpr KeyRange key_range(const int32_t * span, int64_t t, int64_t n_keys) {
    const int64_t begin = std::clamp<int64_t>(span[2 * t], 0, n_keys),
                  end = std::clamp<int64_t>(span[2 * t + 1], 0, n_keys);
    return {begin, std::max(begin, end)};
}

/// The operations of `products` products of queries with keys. The spans are not known here: as many keys as queries is
/// taken for causal self-attention, where a query sees half of the keys.
inline double attention_flops(const Node & n, int products) {
    const Shape & q = n.src[0]->shape;
    const int64_t n_keys = count_keys(n);
    const double keys = q[2] == n_keys ? 0.5 * static_cast<double>(n_keys + 1) : static_cast<double>(n_keys);
    return 2.0 * products * static_cast<double>(q.elements()) * keys;
}

}  // namespace ql
