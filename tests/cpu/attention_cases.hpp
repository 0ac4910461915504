// Attention and its gradients as cases, by size.
#pragma once
#include <cmath>

#include "ggml/ops/cases.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cpu {

struct AttentionSize {
    const char * name;
    int64_t d, heads, kv, tokens, keys;
};

inline Case forward_case(const AttentionSize & s) {
    return {s.name,
            {param_in({s.d, s.heads, s.tokens}), param_in({s.d, s.kv, s.keys}), param_in({s.d, s.kv, s.keys}),
             ints_in({2, s.tokens}, Fill::spans, s.keys)},
            AttentionParams{1 / std::sqrt(static_cast<float>(s.d))}};
}

/// The same over a cache of f16.
inline Case cached_case(const AttentionSize & s) {
    Case c = forward_case(s);
    c.in[0] = data_in(c.in[0].shape);
    for (const size_t i : {1, 2}) c.in[i] = cache_in(c.in[i].shape, QL_F16);
    return c;
}

/// The same over pages: a table of `entries` of the n_pages that there are, with `page` keys each.
inline Case paged_case(const AttentionSize & s, ql_dtype type, int64_t page, int64_t entries, int64_t n_pages) {
    Case c = cached_case(s);
    for (const size_t i : {1, 2}) c.in[i] = cache_in({s.d, s.kv, page, n_pages}, type);
    c.in[3].limit = entries * page;
    c.in.push_back(ints_in(entries, Fill::distinct, n_pages));
    return c;
}

/// lse is independent of q and k here: q is small, so that no probability is much above 1.
inline Case back_case(const AttentionSize & s) {
    const Shape q(s.d, s.heads, s.tokens), k(s.d, s.kv, s.keys);
    return {s.name,
            {data_in(q, Fill::layer), data_in(k), data_in(k), data_in(q), data_in({s.heads, s.tokens}, Fill::positive),
             data_in(q), ints_in({2, s.tokens}, Fill::spans, s.keys)},
            AttentionParams{1 / std::sqrt(static_cast<float>(s.d))}};
}

}  // namespace ql::cpu
